#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class LossChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_published(const Published& published) override {
    if (published.durability != Durability::durable) return;
    const auto [at, fresh] = durable_[published.lane].emplace(published.offset, published.value);
    if (!fresh && at->second != published.value) {
      complain("two durable acknowledgements for " + to_string(published.lane) + "@" +
               std::to_string(published.offset) + ": " + to_string(at->second) + " and " +
               to_string(published.value));
    }
  }

  void on_repeated(const Published& published) override { on_published(published); }

  void on_final(const Final& log) override {
    for (const auto& [offset, value] : durable_[log.lane]) {
      if (offset < log.log_start) continue;
      const auto at = static_cast<size_t>(offset - log.log_start);
      const std::string where = to_string(log.lane) + "@" + std::to_string(offset);
      if (at >= log.values.size()) {
        complain("lost: " + to_string(value) + ", durably acknowledged at " + where +
                 "; the log ends at " +
                 std::to_string(log.log_start + static_cast<int64_t>(log.values.size())));
      } else if (log.values[at] != value) {
        complain("lost: " + to_string(value) + ", durably acknowledged at " + where +
                 "; there stands " + to_string(log.values[at]));
      }
    }
  }

 private:
  std::map<Lane, std::map<int64_t, Value>> durable_;
};

}  // namespace

std::unique_ptr<Checker> make_loss_checker(Violations* violations) {
  return std::make_unique<LossChecker>(violations);
}

}  // namespace headrace::sim
