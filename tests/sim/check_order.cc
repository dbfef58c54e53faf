#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class OrderChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_final(const Final& log) override {
    std::map<uint32_t, uint64_t> newest;  // by producer
    for (const Value& value : log.values) {
      const auto [at, first] = newest.emplace(value.producer, value.number);
      if (!first && value.number < at->second) {
        complain("out of order in " + to_string(log.lane) + ": " + to_string(value) +
                 " stands after its event " + std::to_string(at->second));
      }
      at->second = value.number;
    }
  }
};

}  // namespace

std::unique_ptr<Checker> make_order_checker(Violations* violations) {
  return std::make_unique<OrderChecker>(violations);
}

}  // namespace headrace::sim
