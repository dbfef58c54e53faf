#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class BudgetChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_use(const Use& use) override {
    if (use.used <= use.most) return;
    complain(use.what + ": " + std::to_string(use.used) + " of at most " +
             std::to_string(use.most));
  }
};

}  // namespace

std::unique_ptr<Checker> make_budget_checker(Violations* violations) {
  return std::make_unique<BudgetChecker>(violations);
}

}  // namespace headrace::sim
