// One shard: the unit of ownership, order and commit. Holds the objects of its topics, the WriteSet
// of the turn, and the replies that wait for it.
//
// Lives on: the reactor that owns it, from start() to the reactor's end. Crash-only: a commit that
// was fenced or whose outcome is unknown drops every object and loads again.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/core/ctx.h"
#include "broker/core/objects.h"
#include "broker/runtime/services.h"

namespace headrace::runtime {

class Shard final : public core::Ctx, public core::Requester {
 public:
  Shard(ShardId id, Services* services);
  ~Shard() override;

  void start();                           // reads epoch and applied sequence, raises the epoch
  void handle(core::RequestPtr request);  // queues while loading (bounded, then busy)
  void flush();                           // seals folds, submits the turn's set
  void count_stored();                    // see ShardObjects
  void write_late();                      // before a clean stop: what could have waited
  bool idle() const;                      // nothing in flight, nothing pending
  bool ready() const { return state_ == State::ready; }
  ShardId id() const { return id_; }
  core::ShardObjects& objects() { return *objects_; }

  // core::Ctx
  const Time& now() const override { return services_->now(); }
  bool clock_suspect() const override { return services_->clock_suspect(); }
  Epoch epoch() const override { return epoch_; }
  storage::WriteSet& writes(core::Committable* who) override;
  uint64_t sequence() const override { return next_sequence_; }
  uint64_t committed_sequence() const override { return committed_sequence_; }
  void reply(core::RequestPtr request) override { services_->deliver_reply(std::move(request)); }
  void reply_committed(core::RequestPtr request, Durability durability) override;
  void reply_committed(core::RequestPtr request, uint64_t sequence) override;
  storage::Store& store() override { return services_->store(); }
  storage::CompletionSink* sink() override { return &services_->inbox(); }
  void arm(core::Timer* timer, int64_t deadline) override {
    services_->wheel().arm(timer, deadline);
  }
  void disarm(core::Timer* timer) override { services_->wheel().disarm(timer); }
  ShardId shard() const override { return id_; }
  core::Audit& audit() override { return objects_->audit(); }
  core::Rollups& rollups() override { return objects_->rollups(); }
  core::Tail& tail() override { return services_->tail(); }
  std::optional<Month> writable_month(Month wanted) const override {
    return services_->writable_month(wanted);
  }
  const core::CatalogPtr& catalog() const override { return services_->catalog(); }
  void publish_catalog(core::CatalogPtr snapshot) override {
    services_->publish_catalog(std::move(snapshot));
  }
  // To another shard, for one of the objects; the answer comes to on_reply.
  void submit(core::RequestPtr request) override {
    request->requester = this;
    services_->submit(std::move(request));
  }
  // What was asked before the shard is loaded again is nobody's any more: the objects ask anew.
  void on_reply(core::RequestPtr request) override {
    if (state_ == State::ready) objects_->on_reply(std::move(request));
  }
  void forget(core::Committable* object) override;

 private:
  enum class State : uint8_t { stopped, loading, ready, dropping };

  // A set on its way to the store and what waits for it.
  struct InFlight final : storage::Commit {
    struct Written final : storage::Completion {
      void run() override { owner->shard->on_written(*owner); }
      InFlight* owner = nullptr;
    };
    void run() override { shard->on_synced(*this); }

    Shard* shard = nullptr;
    Written written_notice;
    std::vector<core::Committable*> touched;
    std::vector<core::RequestPtr> at_submit;  // memory
    std::vector<core::RequestPtr> at_written;
    std::vector<core::RequestPtr> at_synced;
    int64_t submitted_mono_us = 0;
  };
  struct Load final : storage::Read {
    void run() override { shard->on_loaded(); }
    Shard* shard = nullptr;
  };
  struct AuditHeads final : storage::Scan {
    void run() override { shard->on_audit_loaded(); }
    Shard* shard = nullptr;
  };

  void make_objects();
  void on_loaded();
  void on_audit_loaded();
  void fail_load(storage::Status status);
  void become_ready();
  void on_written(InFlight& set);
  void on_synced(InFlight& set);
  void drop_objects(storage::Status status);
  void submit_set();
  std::unique_ptr<InFlight> new_set();
  static void answer_all(Services* services, std::vector<core::RequestPtr>* requests,
                         core::Error error);

  const ShardId id_;
  Services* const services_;
  State state_ = State::stopped;
  Epoch epoch_;
  uint64_t next_sequence_ = 1;
  uint64_t committed_sequence_ = 0;
  std::unique_ptr<core::ShardObjects> objects_;
  std::unique_ptr<InFlight> pending_;                // this turn's
  std::deque<std::unique_ptr<InFlight>> in_flight_;  // oldest first
  std::unique_ptr<InFlight> spare_;
  std::deque<core::RequestPtr> waiting_;  // while loading
  Load load_;
  AuditHeads audit_heads_;
  bool dirty_ = false;
};

}  // namespace headrace::runtime
