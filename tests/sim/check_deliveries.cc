#include <algorithm>
#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

// What was sent before an outcome was confirmed may arrive a little after it.
constexpr int64_t kOnItsWayUs = 30 * int64_t{1'000'000};

class DeliveryChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_delivered(const Delivered& delivered) override {
    Fate& fate = fate_of(delivered.group, delivered.lane, delivered.offset);
    const std::string what = where(delivered.group, delivered.lane, delivered.offset);
    if (delivered.attempt > delivered.attempts_most) {
      complain(what + " was tried a " + std::to_string(delivered.attempt) + "th time");
    }
    const int64_t now_us = delivered.now_us;
    if (fate.acked_us >= 0 && now_us > fate.acked_us + kOnItsWayUs) {
      complain(what + " was delivered after its ack had been confirmed");
    }
    if (delivered.attempt <= fate.failed && now_us > fate.failed_us + kOnItsWayUs) {
      complain(what + " was delivered as attempt " + std::to_string(delivered.attempt) +
               " after the failure of attempt " + std::to_string(fate.failed) +
               " had been confirmed");
    }
    Ends& ends = lanes_[{delivered.group, delivered.lane}];
    ends.end = std::max(ends.end, delivered.offset + 1);
  }

  void on_outcome(const HowItEnded& outcome) override {
    Fate& fate = fate_of(outcome.group, outcome.lane, outcome.offset);
    if (outcome.ack) fate.ack_sent = true;
    if (!outcome.accepted) return;
    if (outcome.ack) fate.acked_us = outcome.now_us;
    if (outcome.nack && outcome.attempt >= fate.failed) {
      fate.failed = outcome.attempt;
      fate.failed_us = outcome.now_us;
    }
  }

  void on_dead(const Dead& dead) override {
    Fate& fate = fate_of(dead.group, dead.lane, dead.offset);
    const std::string what = where(dead.group, dead.lane, dead.offset);
    if (!fate.letter.empty() && fate.letter != dead.id) {
      complain(what + " is two dead letters: " + fate.letter + " and " + dead.id);
    }
    fate.letter = dead.id;
    if (fate.acked_us >= 0) complain(what + " is a dead letter, and its ack was confirmed");
  }

  void on_drained(const Drained& drained) override {
    const auto ends = lanes_.find({drained.group, drained.lane});
    if (ends == lanes_.end()) return;
    for (int64_t offset = 0; offset < ends->second.end; ++offset) {
      const Fate& fate = fate_of(drained.group, drained.lane, offset);
      if (fate.ack_sent || !fate.letter.empty()) continue;
      complain(where(drained.group, drained.lane, offset) + " is neither acked nor dead");
    }
  }

 private:
  struct Fate {
    bool ack_sent = false;
    int64_t acked_us = -1;  // confirmed
    uint32_t failed = 0;    // highest attempt whose failure was confirmed
    int64_t failed_us = 0;
    std::string letter;
  };
  struct Ends {
    int64_t end = 0;  // of what was delivered
  };

  Fate& fate_of(const std::string& group, const Lane& lane, int64_t offset) {
    return fates_[{group, lane}][offset];
  }
  static std::string where(const std::string& group, const Lane& lane, int64_t offset) {
    return to_string(lane) + "@" + std::to_string(offset) + " of group " + group;
  }

  std::map<std::pair<std::string, Lane>, std::map<int64_t, Fate>> fates_;
  std::map<std::pair<std::string, Lane>, Ends> lanes_;
};

}  // namespace

std::unique_ptr<Checker> make_delivery_checker(Violations* violations) {
  return std::make_unique<DeliveryChecker>(violations);
}

}  // namespace headrace::sim
