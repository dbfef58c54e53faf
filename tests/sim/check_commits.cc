#include <algorithm>
#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class CommitChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_told(const Position& at_least, const Position& told) override {
    if (told.offset >= at_least.offset) return;
    complain("group " + told.group + " was told to go on at " + std::to_string(told.offset) +
             " in partition " + std::to_string(told.partition) + ": " +
             std::to_string(at_least.offset) + " had been acknowledged before it asked");
  }
};

}  // namespace

std::unique_ptr<Checker> make_commit_checker(Violations* violations) {
  return std::make_unique<CommitChecker>(violations);
}

}  // namespace headrace::sim
