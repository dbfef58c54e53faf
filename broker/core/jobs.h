// The jobs of one acked group: started, listed, paused, resumed, cancelled; a few run at a time,
// the rest is queued. They get what the live lane leaves over (AckedGroup::serve_job). Contract:
// docs/delivery.md, docs/adr/0013-jobs.md.
//
// Lives on: owner shard, inside its group. Rows: state (kind job), offsets and retry of the lane.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/core/audit.h"
#include "broker/core/job.h"

namespace headrace::core {

class Jobs final : public Timer {
 public:
  Jobs(AckedGroup* group, Ctx* ctx) : group_(group), ctx_(ctx) {}
  ~Jobs() override { ctx_->disarm(this); }

  // While the group loads: every row, then the positions of all lanes.
  bool load(std::string_view key, std::string_view value);  // false: does not parse
  void open(const Job::Rows& rows);

  void start(std::unique_ptr<StartJob> request);
  void list(std::unique_ptr<ListJobs> request) const;
  void control(std::unique_ptr<ControlJob> request);

  bool fill(Acquire* acquire, uint32_t most);
  Cursor* cursor(PartitionId partition, LaneId lane) const;
  void release_member(uint64_t member);
  void explain(ExplainEvent* request) const;
  void on_position(ListOffsets& found);  // where a replay's range begins or ends
  // What goes on without members: letters, dry runs, what is left of cancelled jobs.
  void advance();
  void on_timer(Time) override { advance(); }
  void seal();  // the turn ends
  void close(const Error& error);

 private:
  // A replay whose range is being looked up, partition by partition.
  struct Starting {
    std::unique_ptr<StartJob> request;
    std::vector<JobRange> ranges;  // of the partitions that are known, and the one at hand
    uint32_t partition = 0;
    uint32_t end = 0;
    bool from_known = false;
  };
  struct CheckLetters;
  // A step's read: owns itself until it is there; the group may be gone by then.
  struct StepOf {
    std::weak_ptr<AckedGroup> group;
    LaneId lane;
    uint32_t step = 0;
  };
  struct LetterScan;
  struct LetterRead;
  struct ParkedScan;
  struct ParkedRead;

  Error check(const StartJob& request) const;
  Error check_replay(const StartJob& request) const;
  Error check_redrive(const StartJob& request) const;
  void look_up(uint32_t ticket);
  void create(std::unique_ptr<StartJob> request, std::vector<JobRange> ranges);
  void start_queued();
  bool end_finished();
  Error act(Job& job, ControlJob::Action action);
  void cancel(Job& job);
  void forget_old();
  void forget(std::map<LaneId, std::unique_ptr<Job>>::iterator at);
  void mark(Job& job);
  void note(const TenantContext& who, AuditAction action, const JobRecord& job);

  // job_steps.cc
  void step(Job& job);
  void count(Job& job);
  void read_letters(Job& job);
  void letters_read(Job& job, const std::vector<DeadLetter>& letters, bool more);
  void take(Job& job, const DeadLetter& letter);
  bool needs_letters(LaneId lane) const;
  void unwind(Job& job);
  void parked_read(Job& job, std::unique_ptr<ParkedScan> parked);
  void unwound(Job& job, const std::vector<DeadLetter>& letters, const ParkedScan& parked);
  template <class Read>
  Job* stepped(const Read& read);
  template <class Read>
  static Job* stepped_letters(const Read& read);

  AckedGroup* const group_;
  Ctx* const ctx_;
  std::map<LaneId, std::unique_ptr<Job>> jobs_;
  std::map<uint32_t, Starting> starting_;  // by ticket
  uint32_t tickets_ = 0;
  size_t next_job_ = 0;  // round robin
};

}  // namespace headrace::core
