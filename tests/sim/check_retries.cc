#include <algorithm>
#include <map>
#include <tuple>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

// Only nacks that were accepted: else the attempt may have ended by its deadline instead.
class RetryChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_delivered(const Delivered& delivered) override {
    const Attempt attempt{delivered.group, delivered.job, delivered.lane, delivered.offset,
                          delivered.attempt};
    const auto first = first_us_.try_emplace(attempt, delivered.now_us).first;
    check(attempt, first->second);
  }

  void on_outcome(const HowItEnded& outcome) override {
    if (!outcome.nack || !outcome.accepted) return;
    const Attempt next{outcome.group, outcome.job, outcome.lane, outcome.offset,
                       outcome.attempt + 1};
    due_us_[next] = outcome.sent_us + outcome.delay_us;
    // Its answer may come after what followed.
    const auto seen = first_us_.find(next);
    if (seen != first_us_.end()) check(next, seen->second);
  }

 private:
  using Attempt = std::tuple<std::string, uint32_t, Lane, int64_t, uint32_t>;

  void check(const Attempt& attempt, int64_t first_us) {
    const auto due = due_us_.find(attempt);
    if (due == due_us_.end() || first_us >= due->second) return;
    complain(to_string(std::get<2>(attempt)) + "@" + std::to_string(std::get<3>(attempt)) +
             " of group " + std::get<0>(attempt) + " was tried again " +
             std::to_string(due->second - first_us) + " us before it was due");
  }

  std::map<Attempt, int64_t> due_us_;
  std::map<Attempt, int64_t> first_us_;
};

}  // namespace

std::unique_ptr<Checker> make_retry_checker(Violations* violations) {
  return std::make_unique<RetryChecker>(violations);
}

}  // namespace headrace::sim
