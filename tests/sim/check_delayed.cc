#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class DelayedChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_delay(const Delay& delay) override {
    State& state = states_[delay.value];
    state.lane = delay.lane;
    state.due_us = delay.due_us;
    state.what = delay.what;
  }

  // A broker's append times never go back, but they may run ahead of its clock.
  void on_seen(const Seen& seen) override {
    const auto known = states_.find(seen.value);
    if (known == states_.end()) return;
    const State& state = known->second;
    if (seen.append_time_us < state.due_us) {
      complain(to_string(seen.value) + " in " + to_string(seen.lane) + " was due at " +
               std::to_string(state.due_us) + " and appended at " +
               std::to_string(seen.append_time_us));
    }
    if (state.what == Delay::What::cancelled) {
      complain(to_string(seen.value) + " in " + to_string(seen.lane) + " had been cancelled");
    }
  }

  void on_due_by(const DueBy& due_by) override { due_by_us_ = due_by.wall_us; }

  void on_final(const Final& log) override {
    std::map<Value, int> times;
    for (const Value& value : log.values) ++times[value];
    for (const auto& [value, state] : states_) {
      if (state.lane != log.lane) continue;
      const int there = times.contains(value) ? times[value] : 0;
      if (there > 1) {
        complain("delayed " + to_string(value) + " is " + std::to_string(there) + " times in " +
                 to_string(log.lane));
      }
      if (there > 0 && state.what == Delay::What::cancelled) {
        complain("cancelled " + to_string(value) + " is in " + to_string(log.lane));
      }
      const bool owed =
          state.what == Delay::What::accepted || state.what == Delay::What::cancel_failed;
      if (there == 0 && owed && state.due_us <= due_by_us_ && log.log_start == 0) {
        complain("lost: delayed " + to_string(value) + ", due at " + std::to_string(state.due_us) +
                 ", is not in " + to_string(log.lane));
      }
    }
  }

 private:
  struct State {
    Lane lane;
    int64_t due_us = 0;
    Delay::What what = Delay::What::sent;
  };
  std::map<Value, State> states_;
  int64_t due_by_us_ = -1;
};

}  // namespace

std::unique_ptr<Checker> make_delayed_checker(Violations* violations) {
  return std::make_unique<DelayedChecker>(violations);
}

}  // namespace headrace::sim
