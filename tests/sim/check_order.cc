#include <map>
#include <set>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class OrderChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_lost_connection(const LostConnection& lost) override {
    begins_[lost.producer].insert(lost.next_number);
  }

  void on_final(const Final& log) override {
    // By producer and by what began what it sent without a loss: a connection keeps its order.
    std::map<std::pair<uint32_t, uint64_t>, uint64_t> newest;
    for (const Value& value : log.values) {
      const auto [at, first] =
          newest.emplace(std::pair(value.producer, begin_of(value)), value.number);
      if (!first && value.number < at->second) {
        complain("out of order in " + to_string(log.lane) + ": " + to_string(value) +
                 " stands after its event " + std::to_string(at->second));
      }
      at->second = value.number;
    }
  }

 private:
  uint64_t begin_of(const Value& value) const {
    const auto begins = begins_.find(value.producer);
    if (begins == begins_.end()) return 0;
    const auto after = begins->second.upper_bound(value.number);
    return after == begins->second.begin() ? 0 : *std::prev(after);
  }

  std::map<uint32_t, std::set<uint64_t>> begins_;
};

}  // namespace

std::unique_ptr<Checker> make_order_checker(Violations* violations) {
  return std::make_unique<OrderChecker>(violations);
}

}  // namespace headrace::sim
