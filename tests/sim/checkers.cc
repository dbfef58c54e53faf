#include "tests/sim/checkers.h"

#include <cstdlib>

#include "metrics/check.h"

namespace headrace::sim {

std::string to_string(const Lane& lane) {
  return lane.topic + "/" + std::to_string(lane.partition);
}

std::string to_string(const Value& value) {
  return "event " + std::to_string(value.number) + " of producer " + std::to_string(value.producer);
}

namespace {

struct Named {
  std::string_view name;
  std::unique_ptr<Checker> (*make)(Violations*);
};
constexpr Named kCheckers[] = {
    {"loss", make_loss_checker},
    {"offsets", make_offsets_checker},
    {"order", make_order_checker},
    {"visible", make_visible_checker},
    {"duplicates", make_duplicate_checker},
    {"commits", make_commit_checker},
    {"assignment", make_assignment_checker},
    {"budget", make_budget_checker},
    {"epochs", make_epoch_checker},
    {"deliveries", make_delivery_checker},
    {"delayed", make_delayed_checker},
    {"keys", make_key_checker},
    {"schemas", make_schema_checker},
    {"isolation", make_isolation_checker},
    {"fairness", make_fairness_checker},
    {"turns", make_turns_checker},
    {"retries", make_retry_checker},
};

}  // namespace

// HEADRACE_SIM_CHECKER: this one alone judges. Whether it finds a bug is seen by that.
Judge::Judge() {
  const char* only = std::getenv("HEADRACE_SIM_CHECKER");
  for (const Named& checker : kCheckers) {
    if (only == nullptr || checker.name == only) checkers_.push_back(checker.make(&violations_));
  }
  HR_CHECK(!checkers_.empty());
  alone_ = only != nullptr;
}

void Judge::complain(std::string what) {
  if (!alone_ && violations_.size() < 20) violations_.push_back(std::move(what));
}

}  // namespace headrace::sim
