#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class DuplicateChecker final : public Checker {
 public:
  using Checker::Checker;

  // However often it is asked, an idempotent publish has one offset.
  void on_published(const Published& published) override {
    if (!published.idempotent || published.durability != Durability::durable) return;
    const auto [at, fresh] =
        offsets_.emplace(std::pair(published.lane, published.value), published.offset);
    if (!fresh && at->second != published.offset) {
      complain(to_string(published.value) + " was acknowledged at " + to_string(published.lane) +
               "@" + std::to_string(at->second) + " and @" + std::to_string(published.offset));
    }
  }

  void on_repeated(const Published& published) override { on_published(published); }

  void on_final(const Final& log) override {
    std::map<Value, int64_t> offsets;
    int64_t offset = log.log_start;
    for (const Value& value : log.values) {
      const auto [at, fresh] = offsets.emplace(value, offset);
      if (!fresh) {
        complain("duplicate in " + to_string(log.lane) + ": " + to_string(value) + " at " +
                 std::to_string(at->second) + " and " + std::to_string(offset));
      }
      ++offset;
    }
  }

 private:
  std::map<std::pair<Lane, Value>, int64_t> offsets_;
};

}  // namespace

std::unique_ptr<Checker> make_duplicate_checker(Violations* violations) {
  return std::make_unique<DuplicateChecker>(violations);
}

}  // namespace headrace::sim
