#include <algorithm>
#include <map>
#include <utility>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class TurnsChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_turn(const Turn& turn) override {
    Turn& last = last_[turn.reactor];
    if (last.start != turn.start) last = Turn{};
    std::map<uint32_t, uint32_t> weights;  // of all that wanted some in this turn or the last
    for (const auto& [tenant, share] : last.shares) weights[tenant] = share.weight;
    const int64_t before = sum(weights);
    for (const auto& [tenant, share] : turn.shares) weights[tenant] = share.weight;
    const int64_t all = sum(weights);
    for (const auto& [tenant, share] : turn.shares) {
      // Nobody who wants more has less than his share of all who want some ...
      const int64_t least = turn.most * share.weight / all;
      if (share.refused && share.given < least) {
        complain("tenant " + std::to_string(tenant) + " was given " + std::to_string(share.given) +
                 " events of a turn and refused more, and " + std::to_string(least) +
                 " are its share");
      }
      // ... nor more than his share of those who are known to want some.
      const bool known = last.shares.contains(tenant);
      const int64_t most =
          std::max<int64_t>(turn.most * share.weight / (before + (known ? 0 : share.weight)), 1);
      if (share.given > most + turn.whole) {
        complain("tenant " + std::to_string(tenant) + " was given " + std::to_string(share.given) +
                 " events of a turn, and at most " + std::to_string(most) + " are its share");
      }
    }
    last = turn;
  }

 private:
  static int64_t sum(const std::map<uint32_t, uint32_t>& weights) {
    int64_t all = 0;
    for (const auto& [tenant, weight] : weights) all += weight;
    return all;
  }

  std::map<size_t, Turn> last_;  // by reactor
};

}  // namespace

std::unique_ptr<Checker> make_turns_checker(Violations* violations) {
  return std::make_unique<TurnsChecker>(violations);
}

}  // namespace headrace::sim
