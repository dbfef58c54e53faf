#include <algorithm>
#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class VisibleChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_seen(const Seen& seen) override {
    int64_t& end = seen_end_[seen.lane];
    end = std::max(end, seen.offset + 1);
  }

  // Replies to several readers overtake each other on the way: only what one of them has read
  // before it asked is certain, and that is what it asks for.
  void on_ends(const Ends& ends) override {
    if (ends.log_start > ends.visible_end)
      complain(to_string(ends.lane) + " ends before it starts");
  }

  // A delayed event may come, and be seen by others, while the answer is on its way.
  void on_asked_for_rest(const Lane& lane) override { certain_end_[lane] = seen_end_[lane]; }

  void on_final(const Final& log) override {
    const int64_t end = log.log_start + static_cast<int64_t>(log.values.size());
    const int64_t certain_end = certain_end_[log.lane];
    if (end < certain_end) {
      complain("seen and gone: " + to_string(log.lane) + " was read up to " +
               std::to_string(certain_end) + " and ends at " + std::to_string(end));
    }
  }

 private:
  std::map<Lane, int64_t> seen_end_;
  std::map<Lane, int64_t> certain_end_;
};

}  // namespace

std::unique_ptr<Checker> make_visible_checker(Violations* violations) {
  return std::make_unique<VisibleChecker>(violations);
}

}  // namespace headrace::sim
