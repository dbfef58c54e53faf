// Answers explain: what the group did, does or will do with one event. What members hold and what
// waits is in memory; an event that is settled may be a dead letter, blocked or parked, which exact
// keys say, but for parked events that memory does not have: the order of their rows is that of
// their due times, so they are looked through, kExplainRows an answer.
//
// Lives on: owner shard, inside its group. Reads only.
#pragma once

#include <deque>
#include <memory>

#include "broker/core/api_explain.h"
#include "broker/core/ctx.h"

namespace headrace::core {

class AckedGroup;

// What the filter says of the event of a record batch; nullopt: it cannot be read. Its type goes to
// *type, if that is wanted.
std::optional<Filter::Verdict> check_event(const Filter& filter, const SharedBytes& event,
                                           std::string* type = nullptr);

class Explainer {
 public:
  Explainer(AckedGroup* group, Ctx* ctx)
      : group_(group), ctx_(ctx), alive_(std::make_shared<Explainer*>(this)) {}

  void explain(std::unique_ptr<ExplainEvent> request);
  void on_committed();
  void close(const Error& error);  // answers whoever waits

  // ---- for its reads
  const std::shared_ptr<Explainer*>& alive() const { return alive_; }
  static void fail(Ctx* ctx, std::unique_ptr<ExplainEvent> request, ErrorCode code);

 private:
  // Rows cannot be read before the set that may hold them is durable.
  struct Waiting {
    uint64_t sequence = 0;
    std::unique_ptr<ExplainEvent> request;
  };
  void look_for_letter(std::unique_ptr<ExplainEvent> request);
  void on_origin(std::unique_ptr<ExplainEvent> request, storage::Read& read);
  void on_letter(std::unique_ptr<ExplainEvent> request, storage::Read& read);
  void look_behind_key(std::unique_ptr<ExplainEvent> request);
  void on_behind_key(std::unique_ptr<ExplainEvent> request, storage::Read& read);
  void look_for_blocked(std::unique_ptr<ExplainEvent> request);
  void on_blocked(std::unique_ptr<ExplainEvent> request, storage::Scan& scan);
  void look_for_parked(std::unique_ptr<ExplainEvent> request);
  void on_parked(std::unique_ptr<ExplainEvent> request, storage::Scan& scan);
  void look_for_acks(std::unique_ptr<ExplainEvent> request);
  void on_acks(std::unique_ptr<ExplainEvent> request, storage::Scan& scan);
  void answer(std::unique_ptr<ExplainEvent> request);
  bool check_filter(ExplainEvent* request) const;

  AckedGroup* const group_;
  Ctx* const ctx_;
  std::deque<Waiting> waiting_;  // by sequence
  std::shared_ptr<Explainer*> alive_;
};

}  // namespace headrace::core
