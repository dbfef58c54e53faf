#include <map>
#include <set>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class SchemaChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_typed(const Typed& typed) override {
    if (!typed.matches) wrong_[typed.value] = typed.mode;
  }
  void on_published(const Published& published) override {
    if (is(published.value, Typed::Mode::enforce)) {
      complain(to_string(published.value) + " was accepted, and its type is enforced");
    }
  }
  void on_seen(const Seen& seen) override { look_at(seen.value, seen.lane, seen.offset); }

  void on_final(const Final& log) override {
    int64_t offset = log.log_start;
    for (const Value& value : log.values) {
      look_at(value, log.lane, offset);
      if (is(value, Typed::Mode::dead_letter)) owed_[log.lane][offset] = value;
      ++offset;
    }
  }

  void on_delivered(const Delivered& delivered) override {
    look_at(delivered.value, delivered.lane, delivered.offset);
    if (!is(delivered.value, Typed::Mode::dead_letter)) return;
    if (delivered.job == 0) {
      complain(where(delivered.group, delivered.lane, delivered.offset) +
               " does not match its schema and was delivered");
    } else {
      by_jobs_[{delivered.group, delivered.job}] =
          where(delivered.group, delivered.lane, delivered.offset);
    }
  }

  void on_dead(const Dead& dead) override {
    if (dead.job != 0 || dead.reason != "schema_violation") return;
    auto& ids = letters_[{dead.group, dead.lane}][dead.offset];
    ids.insert(dead.id);
    if (ids.size() > 1) {
      complain(where(dead.group, dead.lane, dead.offset) +
               " does not match its schema and is two dead letters");
    }
  }

  // Nothing else is owed: what does not match is there, and nothing that does.
  void on_drained(const Drained& drained) override {
    const auto& letters = letters_[{drained.group, drained.lane}];
    const auto& owed = owed_[drained.lane];
    for (const auto& [offset, value] : owed) {
      if (letters.contains(offset)) continue;
      complain(where(drained.group, drained.lane, offset) +
               " does not match its schema and is no dead letter");
    }
    for (const auto& [offset, ids] : letters) {
      if (owed.contains(offset)) continue;
      complain(where(drained.group, drained.lane, offset) +
               " is a dead letter because of a schema that it matches");
    }
  }

  void on_job_done(const JobDone& done) override {
    const auto delivered = by_jobs_.find({done.group, done.job});
    if (!done.replay || delivered == by_jobs_.end()) return;
    complain(delivered->second + " does not match its schema and was delivered by a replay");
  }

 private:
  bool is(const Value& value, Typed::Mode mode) const {
    const auto found = wrong_.find(value);
    return found != wrong_.end() && found->second == mode;
  }
  void look_at(const Value& value, const Lane& lane, int64_t offset) {
    if (!is(value, Typed::Mode::enforce)) return;
    complain(to_string(lane) + "@" + std::to_string(offset) +
             " can be read, does not match its schema, and its type is enforced");
  }
  static std::string where(const std::string& group, const Lane& lane, int64_t offset) {
    return to_string(lane) + "@" + std::to_string(offset) + " of group " + group;
  }

  std::map<Value, Typed::Mode> wrong_;  // those that do not match
  std::map<Lane, std::map<int64_t, Value>> owed_;
  std::map<std::pair<std::string, Lane>, std::map<int64_t, std::set<std::string>>> letters_;
  std::map<std::pair<std::string, uint32_t>, std::string> by_jobs_;
};

}  // namespace

std::unique_ptr<Checker> make_schema_checker(Violations* violations) {
  return std::make_unique<SchemaChecker>(violations);
}

}  // namespace headrace::sim
