#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class AssignmentChecker final : public Checker {
 public:
  using Checker::Checker;

  // A crash of the broker ends the epoch: who still believes in the old one can commit nothing.
  void on_belief(const Belief& belief) override {
    auto& members = members_[belief.group];
    for (const auto& [client, other] : members) {
      if (client == belief.client || other.epoch != belief.epoch) continue;
      if (other.until_us <= belief.now_us) continue;
      for (const uint32_t partition : belief.partitions) {
        if (!other.partitions.contains(partition)) continue;
        complain("partition " + std::to_string(partition) + " of group " + belief.group +
                 " belongs to clients " + std::to_string(client) + " and " +
                 std::to_string(belief.client));
      }
    }
    members[belief.client] = belief;
  }

 private:
  std::map<std::string, std::map<uint32_t, Belief>> members_;
};

}  // namespace

std::unique_ptr<Checker> make_assignment_checker(Violations* violations) {
  return std::make_unique<AssignmentChecker>(violations);
}

}  // namespace headrace::sim
