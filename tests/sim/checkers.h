// Every checker, and the judge that tells all of them what happened.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/checker.h"

namespace headrace::sim {

using Violations = std::vector<std::string>;

// Durably acknowledged: in the log, at the offset of the acknowledgement, until retention.
std::unique_ptr<Checker> make_loss_checker(Violations* violations);
// Offsets are dense and have one value each, for every reader and for ever.
std::unique_ptr<Checker> make_offsets_checker(Violations* violations);
// What one producer sent to one partition stands in the order in which it was sent.
std::unique_ptr<Checker> make_order_checker(Violations* violations);
// What a reader has seen never vanishes; the ends of a log never go back.
std::unique_ptr<Checker> make_visible_checker(Violations* violations);
// An event is in the log at most once; sent again by an idempotent producer, too.
std::unique_ptr<Checker> make_duplicate_checker(Violations* violations);
// Positions that were acknowledged are never forgotten and never go back.
std::unique_ptr<Checker> make_commit_checker(Violations* violations);
// No two members of a group believe to have the same partition at the same time.
std::unique_ptr<Checker> make_assignment_checker(Violations* violations);
// Nothing is used beyond its budget.
std::unique_ptr<Checker> make_budget_checker(Violations* violations);

// The epoch in an acknowledgement, and so the computed id, is that of the stored batch.
std::unique_ptr<Checker> make_epoch_checker(Violations* violations);

// Acked groups: nothing comes again after its ack, no attempt twice after its failure or beyond the
// last one; in the end every event was acked or is one dead letter.
std::unique_ptr<Checker> make_delivery_checker(Violations* violations);

// Acked groups: what failed is not tried again before it is due.
std::unique_ptr<Checker> make_retry_checker(Violations* violations);

// Groups that order by key: no live event is handed out before all earlier ones of its key are
// over.
std::unique_ptr<Checker> make_key_checker(Violations* violations);

// Delayed events: never before they are due, none lost, and those that were taken back never.
std::unique_ptr<Checker> make_delayed_checker(Violations* violations);

// Events that do not match their type's schema: enforced, nobody can read them; in mode dead-letter
// each is one dead letter of every group, and comes to a handler by a redrive only.
std::unique_ptr<Checker> make_schema_checker(Violations* violations);

// Nothing of a tenant reaches a client of another one.
std::unique_ptr<Checker> make_isolation_checker(Violations* violations);

// While several tenants have publishes waiting, each is given the bytes of its weight, but for one
// publish of each.
std::unique_ptr<Checker> make_fairness_checker(Violations* violations);

// Whoever wants more of a turn than he is given had his share by weight of it, and no more than
// that while others wait.
std::unique_ptr<Checker> make_turns_checker(Violations* violations);

class Judge {
 public:
  Judge();

  // From now on nothing is promised about the topic.
  void forget(const std::string& topic) { forgotten_.insert(topic); }
  bool forgotten(const Lane& lane) const { return forgotten_.contains(lane.topic); }

  template <class What>
  void tell(void (Checker::*how)(const What&), const What& what) {
    if constexpr (requires { what.lane; }) {
      if (forgotten(what.lane)) return;
    }
    for (auto& checker : checkers_) (checker.get()->*how)(what);
  }
  void jumped(uint32_t reader, const Lane& lane) {
    for (auto& checker : checkers_) checker->on_reader_jumped(reader, lane);
  }
  void told(const Position& at_least, const Position& position) {
    for (auto& checker : checkers_) checker->on_told(at_least, position);
  }
  void waits_over() {
    for (auto& checker : checkers_) checker->on_waits_over();
  }
  // A client's own finding.
  void complain(std::string what);
  const Violations& violations() const { return violations_; }

 private:
  Violations violations_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::set<std::string> forgotten_;
  bool alone_ = false;
};

}  // namespace headrace::sim
