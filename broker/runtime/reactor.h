// The turn: take everything that arrived, decide, let everything produced leave at once. The file
// to read first (reactor.cc, run_once).
//
// One per reactor thread; everything here runs on that thread but wake-ups and post_foreign().
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "broker/core/publish_shares.h"
#include "broker/runtime/clock_guard.h"
#include "broker/runtime/fabric.h"
#include "broker/runtime/months.h"
#include "broker/runtime/services.h"
#include "broker/runtime/shard.h"
#include "net/io.h"
#include "storage/store.h"

namespace headrace::runtime {

// What turns bytes into requests: the native server, or a simulated one.
class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  virtual void on_turn(const Time& now) = 0;  // after poll
  virtual void flush() = 0;                   // everything queued for connections leaves
  virtual void begin_drain() = 0;             // accept no more, refuse publishes, answer waits
  virtual bool drained() const = 0;           // no connection is left
  virtual void close_all() = 0;               // the drain deadline has passed
};

struct ReactorOptions {
  uint32_t index = 0;
  size_t tail_bytes = 64u << 20;
  std::vector<Month> months;      // whose families exist
  size_t dedicated_tenants = 16;  // with log families of their own
  core::ShardOptions shard;
};

class Reactor final : public Services {
 public:
  Reactor(const ReactorOptions& options, net::Io* io, storage::Store* store, Fabric* fabric);
  ~Reactor() override;

  void set_front_end(FrontEnd* front_end) { front_end_ = front_end; }
  void start();  // loads the shards it owns

  void run_once();              // one turn, then sleep until the next event
  void turn();                  // without the sleep
  int64_t next_wake_mono_us();  // when run_once would wake by itself

  // Requests of this reactor's sessions: stamped with home, sent to the shard's owner.
  void submit(core::RequestPtr request) override;
  // From any thread; false, and `request` untouched, when kForeignRequests are waiting. The reply
  // runs on the reactor that answered.
  bool post_foreign(core::RequestPtr& request);
  // From any thread.
  void request_drain(int64_t deadline_us) noexcept;
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  bool cut_off() const { return cut_off_.load(std::memory_order_acquire); }  // at the deadline

  // Whether the store has room for publishes of this tenant; where it is short of it, tenants below
  // their share still have some. Null: of nobody in particular.
  bool takes_publishes(const core::TenantUse* use) const {
    return pressure_.in_flight_bytes < pressure_.budget_bytes || below_share(use);
  }
  const storage::Pressure& pressure() const { return pressure_; }  // as of this turn
  bool ready() const;                                              // every shard it owns is loaded
  uint32_t index() const { return options_.index; }
  net::Io& io() { return *io_; }
  Shard& shard(ShardId id);  // one it owns

  // Services
  const Time& now() const override { return now_; }
  bool clock_suspect() const override { return clock_guard_.suspect(); }
  storage::Store& store() override { return *store_; }
  Inbox& inbox() override { return inbox_; }
  TimerWheel& wheel() override { return *wheel_; }
  core::Tail& tail() override { return tail_; }
  std::optional<Month> writable_month(Month wanted) const override;
  const core::CatalogPtr& catalog() const override { return catalog_; }
  void publish_catalog(core::CatalogPtr snapshot) override;
  void deliver_reply(core::RequestPtr request) override;
  void mark_dirty(Shard* shard) override { dirty_.push_back(shard); }
  const core::ShardOptions& shard_options() const override { return options_.shard; }
  uint32_t shards() const { return options_.shard.shards; }

 private:
  void take(Letter&& letter);
  void send(uint32_t reactor, Letter&& letter);
  void flush_shards();
  void flush_mailboxes();
  void take_catalog(core::CatalogPtr snapshot);
  bool below_share(const core::TenantUse* use) const;
  void watch_months();
  void watch_drain();
  bool quiet() const;

  const ReactorOptions options_;
  net::Io* const io_;
  storage::Store* const store_;
  Fabric* const fabric_;
  FrontEnd* front_end_ = nullptr;
  Inbox inbox_;
  Time now_;
  ClockGuard clock_guard_;
  MonthKeeper months_;
  mutable std::optional<Month> frozen_month_;  // kept while the clock is suspect
  std::unique_ptr<TimerWheel> wheel_;
  core::Tail tail_;
  core::CatalogPtr catalog_;
  std::vector<std::unique_ptr<Shard>> shards_;  // by shard number; null where another owns it
  std::vector<Shard*> dirty_;
  std::vector<std::deque<Letter>> overflow_;  // replies that found a mailbox full, by reactor
  std::vector<bool> wake_;                    // peers to wake at the end of the turn
  storage::Pressure pressure_;
  mutable std::optional<core::PublishShares> shares_;  // of this turn, once somebody asked
  std::atomic<uint32_t> foreign_waiting_{0};
  std::atomic<int64_t> drain_deadline_us_{0};  // 0: not draining
  int64_t drain_until_mono_us_ = 0;
  bool wrote_late_ = false;  // draining: the shards' last sets were made
  std::atomic<bool> finished_{false};
  std::atomic<bool> cut_off_{false};
};

}  // namespace headrace::runtime
