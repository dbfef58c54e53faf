#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

// Only of durable events: the offsets of others may be used again in a later epoch.
class EpochChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_published(const Published& published) override {
    if (published.durability != Durability::durable) return;
    const std::pair at(published.lane, published.offset);
    note(at, published.epoch, &acked_);
    compare(at);
  }
  void on_seen(const Seen& seen) override {
    const std::pair at(seen.lane, seen.offset);
    note(at, seen.epoch, &stored_);
    compare(at);
  }

 private:
  using Place = std::pair<Lane, int64_t>;
  using Epochs = std::map<Place, uint32_t>;

  void note(const Place& at, uint32_t epoch, Epochs* epochs) {
    const auto [known, fresh] = epochs->emplace(at, epoch);
    if (!fresh && known->second != epoch) complain_of(at, known->second, epoch);
  }
  void compare(const Place& at) {
    const auto acked = acked_.find(at);
    const auto stored = stored_.find(at);
    if (acked == acked_.end() || stored == stored_.end()) return;
    if (acked->second != stored->second) complain_of(at, acked->second, stored->second);
  }
  void complain_of(const Place& at, uint32_t one, uint32_t other) {
    complain(to_string(at.first) + "@" + std::to_string(at.second) + " has epoch " +
             std::to_string(one) + " and " + std::to_string(other));
  }

  Epochs acked_;
  Epochs stored_;
};

}  // namespace

std::unique_ptr<Checker> make_epoch_checker(Violations* violations) {
  return std::make_unique<EpochChecker>(violations);
}

}  // namespace headrace::sim
