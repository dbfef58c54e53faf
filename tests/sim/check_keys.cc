#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

// A handler's ack deadline. Attempts may pass that no member has seen, none faster than this.
constexpr int64_t kDeadlineUs = 3 * int64_t{1'000'000};

class KeyChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_delivered(const Delivered& delivered) override {
    if (delivered.key.empty() || delivered.job != 0) return;
    Events& events = keys_[{delivered.group, delivered.lane, delivered.key}];
    for (auto at = events.begin(); at != events.end() && at->first < delivered.offset;) {
      if (!over(at->second, delivered.now_us)) {
        complain(to_string(delivered.lane) + "@" + std::to_string(delivered.offset) + " of group " +
                 delivered.group + " was delivered before " + std::to_string(at->first) +
                 " of the same key was over");
      }
      at = events.erase(at);  // said once
    }
    events[delivered.offset] = {delivered.now_us, delivered.attempt, delivered.attempts_most,
                                events[delivered.offset].ended};
    key_of_[{delivered.group, delivered.lane}][delivered.offset] = delivered.key;
  }

  // What was sent may have been taken, whatever became of the answer.
  void on_outcome(const HowItEnded& outcome) override {
    if (outcome.job != 0) return;
    const auto& keys = key_of_[{outcome.group, outcome.lane}];
    const auto key = keys.find(outcome.offset);
    if (key == keys.end()) return;
    Events& events = keys_[{outcome.group, outcome.lane, key->second}];
    const auto event = events.find(outcome.offset);
    if (event == events.end()) return;
    const bool last = outcome.nack && outcome.attempt >= event->second.attempts_most;
    if (outcome.ack || outcome.reject || last) event->second.ended = true;
  }

 private:
  struct Event {
    int64_t seen_us = 0;
    uint32_t attempt = 1;
    uint32_t attempts_most = 1;
    bool ended = false;  // an outcome was sent after which nothing is tried
  };
  using Events = std::map<int64_t, Event>;

  static bool over(const Event& event, int64_t now_us) {
    const int64_t unseen = int64_t{event.attempts_most} - event.attempt;
    return event.ended || unseen == 0 || now_us >= event.seen_us + unseen * kDeadlineUs;
  }

  std::map<std::tuple<std::string, Lane, std::string>, Events> keys_;
  std::map<std::pair<std::string, Lane>, std::map<int64_t, std::string>> key_of_;
};

}  // namespace

std::unique_ptr<Checker> make_key_checker(Violations* violations) {
  return std::make_unique<KeyChecker>(violations);
}

}  // namespace headrace::sim
