// One shard on a stage: production Shard and core on a MemStore, driven by text commands, a step at
// a time. Everything it answers and everything it writes goes into a transcript.
//
//   types TOPIC                      what happened in 24 hours, by type
//   rollups                          are written from the next restart on
//   audit                            lists the trail
//   system_events                    are published from the next restart on
//   tail BYTES                       memory for recent batches, from the next restart on
//   clock +SECONDS | +DAYSd          time passes, timers fire
//   step clock +SECONDS              the wall clock jumps (suspect until `trust clock`)
//   quotas NAME=LIMIT...             of the tenant, and its weight
//   create TOPIC PARTITIONS [events=N] [age_s=N] [months=N]
//           [dedup_s=N dedup_ids=N]
//   publish TOPIC PARTITION DURABILITY [producer=ID:SEQUENCE[@EPOCH]] [type=T]
//           [version=V] [atomic|batch] [id=ID] [key=KEY] VALUE...   of the values behind them
//   delete_topic TOPIC
//   delay SECONDS publish ...        the same, due so much later
//   cancel TOPIC ID                  takes a delayed event back
//   delayed TOPIC                    lists what waits
//   write | sync | settle            the store's next stage; settle: all until nothing is left
//   read                             it answers what it was asked for; nothing is written
//   reads_fail TABLE... | reads_fail    of these tables they answer io_error, until told otherwise
//   fetch TOPIC PARTITION OFFSET
//   group GROUP TOPIC                makes the group
//   join|leave GROUP MEMBER          MEMBER is this file's name for it
//   heartbeat GROUP MEMBER GENERATION
//   commit GROUP MEMBER PARTITION OFFSET
//   declare GROUP TOPIC [from=earliest] [filter=P] [where=NAME] [retries=N] [base_s=N]
//           [deadline_s=N] [cooldown_s=N] [in_flight=N]
//           [dlq=N] [dlq_bytes=N] [overflow=drop] [ordering=key] [priority=N]
//           [schema_from=N] [schema_to=N] [mismatch=dead-letter|skip] [keep=all]   an acked group
//   attach|detach GROUP MEMBER [WINDOW]
//   take GROUP MEMBER [N]            asks for up to N deliveries
//   ack|nack|reject|release|extend GROUP MEMBER PARTITION FIRST LAST ATTEMPT [delay_s=N]
//           [lane=N]
//   enable|disable|probe GROUP
//   explain GROUP PARTITION OFFSET   what becomes of one event (settles)
//   update GROUP [OPTION...]         as declare
//   describe GROUP
//   letters GROUP [reason=R]
//   delete GROUP ID... | all | reason=R | where=NAME [token=T]     dead letters
//   replay GROUP from_s=AGO [to_s=AGO] | offsets=FIRST-LAST [partition=N]
//          [filter=P] [where=NAME] [rate=N] [dry_run]
//   redrive GROUP all | letter=N... | where=NAME | reason=R [rate=N] [dry_run]
//   jobs GROUP, pause|resume|cancel_job GROUP JOB
//   crash KEEP                       power cut: of the unsynced sets the first KEEP survive;
//   restart
#pragma once

#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "broker/core/job_record.h"
#include "broker/runtime/months.h"
#include "broker/runtime/services.h"
#include "broker/runtime/shard.h"
#include "storage/mem_store.h"
#include "tests/support/sim_io.h"

namespace headrace::test {

class CoreStage final : public runtime::Services, public core::Requester, public storage::Store {
 public:
  CoreStage();
  ~CoreStage() override;

  void run(const std::string& command);
  std::string take_transcript();

  // For tests that are written in C++. start: asks, and drops the answer; answer: asks, settles,
  // gives the answered request back; answer_meanwhile: as answer, but what was not committed when
  // it asked is not committed when it is answered.
  void start(core::RequestPtr request);
  core::RequestPtr answer(core::RequestPtr request);
  template <class T>
  std::unique_ptr<T> answer(std::unique_ptr<T> request) {
    return std::unique_ptr<T>(
        &core::as<T>(*answer(core::RequestPtr(std::move(request))).release()));
  }
  core::RequestPtr answer_meanwhile(core::RequestPtr request);
  template <class T>
  std::unique_ptr<T> answer_meanwhile(std::unique_ptr<T> request) {
    return std::unique_ptr<T>(
        &core::as<T>(*answer_meanwhile(core::RequestPtr(std::move(request))).release()));
  }
  core::TopicPtr topic(const std::string& name) const;
  const storage::MemStore::Disk& disk() const { return disk_; }
  size_t unsynced() const { return mem_->unsynced(); }
  // The next set that is written answers that; it did not happen.
  void fail_next_commit(storage::Status status) { mem_->fail_next_commit(status); }
  // The disk as a program left it that knew no look-up rows. Takes effect with the next start.
  void forget_lookup_rows();

  // runtime::Services
  const Time& now() const override { return now_; }
  bool clock_suspect() const override { return suspect_; }
  storage::Store& store() override { return *this; }
  runtime::Inbox& inbox() override { return *inbox_; }
  runtime::TimerWheel& wheel() override { return *wheel_; }
  core::Tail& tail() override { return *tail_; }
  std::optional<Month> writable_month(Month wanted) const override {
    return months_.newest_until(wanted);
  }
  const core::CatalogPtr& catalog() const override { return catalog_; }
  void publish_catalog(core::CatalogPtr snapshot) override {
    catalog_ = std::move(snapshot);
    shard_->count_stored();
  }
  void submit(core::RequestPtr request) override { shard_->handle(std::move(request)); }
  void deliver_reply(core::RequestPtr request) override;
  void mark_dirty(runtime::Shard*) override { dirty_ = true; }
  const core::ShardOptions& shard_options() const override { return shard_options_; }
  // core::Requester
  void on_reply(core::RequestPtr request) override;
  // storage::Store: what passes through is written down
  void commit(storage::Commit* commit) override;
  void read(storage::Read* read) override;
  void scan(storage::Scan* scan) override;
  void maintain(storage::Maintenance* work) override;
  void work(storage::Work* work) override { mem_->work(work); }
  storage::Pressure pressure() const override { return mem_->pressure(); }

 private:
  struct Answers final : core::Requester {
    void on_reply(core::RequestPtr request) override { taken = std::move(request); }
    core::RequestPtr taken;
  };
  struct MakeMonth final : storage::Maintenance {
    void run() override {}
  };

  void boot();
  void stop();
  void end_turn();
  void settle();
  void make_months();
  void crash(size_t keep);
  void ask(core::RequestPtr request, core::Requester* requester);
  void clock(const std::string& by, bool wall_only);
  void create(std::istringstream& words);
  void quotas(std::istringstream& words);
  void publish(std::istringstream& words, int64_t delay_us);
  void delayed_command(const std::string& verb, std::istringstream& words);
  void fail_reads(std::istringstream& words);
  void fetch(std::istringstream& words);
  void group_command(const std::string& verb, std::istringstream& words);
  bool acked_command(const std::string& verb, std::istringstream& words);
  bool schema_command(const std::string& verb, std::istringstream& words);
  void declare(std::istringstream& words);
  void update(std::istringstream& words);
  void delete_letters(std::istringstream& words);
  void outcome(const std::string& verb, std::istringstream& words);
  void explain(std::istringstream& words);
  void start_job(core::JobKind kind, std::istringstream& words);
  bool job_command(const std::string& verb, std::istringstream& words);

  Prng prng_{1};
  SimNetwork network_{&prng_, {}};
  std::unique_ptr<SimIo> io_ = network_.make_io({});
  storage::MemStore::Disk disk_;
  std::unique_ptr<storage::MemStore> mem_;
  std::set<storage::Table> failing_;  // whose reads and scans answer io_error
  std::unique_ptr<runtime::Inbox> inbox_;
  std::unique_ptr<runtime::TimerWheel> wheel_;
  std::unique_ptr<core::Tail> tail_;
  size_t tail_bytes_ = 1u << 20;
  std::unique_ptr<runtime::Shard> shard_;
  core::CatalogPtr catalog_;
  runtime::MonthKeeper months_{{}};
  std::vector<std::unique_ptr<MakeMonth>> month_requests_;
  Time now_{1'000'000, 1'701'300'000'000'000};  // 2023-11-29 23:20 UTC
  bool suspect_ = false;
  bool dirty_ = false;
  core::ShardOptions shard_options_{
      .shards = 1, .system_events_delay_us = -1, .rollup_interval_us = -1};
  std::map<std::string, std::string> members_;  // this file's name → the broker's
  std::map<std::string, Epoch> epochs_;         // of the member's join
  std::map<uint32_t, std::string> joining_;     // by ticket
  std::map<std::string, uint64_t> attached_;    // this file's name → the member of an acked group
  uint32_t next_ticket_ = 1;
  std::string transcript_;
  Answers answers_;
};

}  // namespace headrace::test
