#include <algorithm>
#include <map>
#include <set>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

// What was sent before an outcome was confirmed may arrive a little after it.
constexpr int64_t kOnItsWayUs = 30 * int64_t{1'000'000};

class DeliveryChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_delivered(const Delivered& delivered) override {
    const std::string group = with_job(delivered.group, delivered.job);
    Fate& fate = fate_of(group, delivered.lane, delivered.offset);
    const std::string what = where(group, delivered.lane, delivered.offset);
    fate.delivered = true;
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
    if (delivered.job != 0) return;
    Ends& ends = lanes_[{delivered.group, delivered.lane}];
    ends.end = std::max(ends.end, delivered.offset + 1);
  }

  void on_outcome(const HowItEnded& outcome) override {
    Fate& fate = fate_of(with_job(outcome.group, outcome.job), outcome.lane, outcome.offset);
    if (outcome.ack) fate.ack_sent = true;
    if (!outcome.accepted) return;
    if (outcome.ack) fate.acked_us = outcome.now_us;
    if (outcome.nack && outcome.attempt >= fate.failed) {
      fate.failed = outcome.attempt;
      fate.failed_us = outcome.now_us;
    }
  }

  void on_dead(const Dead& dead) override {
    const std::string group = with_job(dead.group, dead.job);
    Fate& fate = fate_of(group, dead.lane, dead.offset);
    const std::string what = where(group, dead.lane, dead.offset);
    if (dead.redriven_by != 0) {
      fate_of(with_job(dead.group, dead.redriven_by), dead.lane, dead.offset).owed = true;
    }
    auto& letters = letters_[{dead.group, dead.lane}][dead.offset];
    letters[dead.id] = dead.job;
    // A redrive may have been given two letters of one event, of the live lane and of a replay.
    const auto of_job = std::ranges::count_if(
        letters, [&](const auto& letter) { return letter.second == dead.job; });
    const auto others = static_cast<ptrdiff_t>(letters.size()) - of_job;
    if (of_job > (dead.job == 0 ? 1 : std::max<ptrdiff_t>(others, 1))) {
      complain(what + " is two dead letters: " + fate.letter + " and " + dead.id);
    }
    fate.letter = dead.id;
    if (dead.reason == "schema_violation") fate.kept_back = true;
    dead_[{dead.group, dead.lane}].insert(dead.offset);
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

  // Nothing but its range, and all of it; of a redrive what it took, as far as its letters are
  // there yet, and nothing that was not dead.
  void on_job_done(const JobDone& done) override {
    const std::string group = with_job(done.group, done.job);
    for (int64_t offset = done.from; done.replay && offset < done.to; ++offset) {
      if (!fate_of(done.group, done.lane, offset).kept_back) {
        fate_of(group, done.lane, offset).owed = true;
      }
    }
    for (const auto& [key, fates] : fates_) {
      if (key.first != group) continue;
      for (const auto& [offset, fate] : fates) {
        const std::string what = where(group, key.second, offset);
        if (fate.owed && !fate.ack_sent && fate.letter.empty()) {
          complain(what + " is neither acked nor dead, and its job is completed");
        }
        const bool its_own =
            fate.owed || (!done.replay && dead_[{done.group, key.second}].contains(offset));
        if (fate.delivered && !its_own) complain(what + " was no event of its job");
      }
    }
  }

 private:
  struct Fate {
    bool delivered = false;
    bool owed = false;       // by a job
    bool kept_back = false;  // nobody was given it, and no replay gives it
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
  // The lane of a job is like a group of its own.
  static std::string with_job(const std::string& group, uint32_t job) {
    return job == 0 ? group : group + "/" + std::to_string(job);
  }
  static std::string where(const std::string& group, const Lane& lane, int64_t offset) {
    return to_string(lane) + "@" + std::to_string(offset) + " of group " + group;
  }

  std::map<std::pair<std::string, Lane>, std::map<int64_t, Fate>> fates_;
  std::map<std::pair<std::string, Lane>, Ends> lanes_;
  std::map<std::pair<std::string, Lane>, std::set<int64_t>> dead_;  // in any lane
  // By group and lane, offset, id: in which job.
  std::map<std::pair<std::string, Lane>, std::map<int64_t, std::map<std::string, uint32_t>>>
      letters_;
};

}  // namespace

std::unique_ptr<Checker> make_delivery_checker(Violations* violations) {
  return std::make_unique<DeliveryChecker>(violations);
}

}  // namespace headrace::sim
