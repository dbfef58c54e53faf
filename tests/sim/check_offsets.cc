#include <map>

#include "tests/sim/checkers.h"

namespace headrace::sim {
namespace {

class OffsetsChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_seen(const Seen& seen) override {
    const std::string where = to_string(seen.lane) + "@" + std::to_string(seen.offset);
    const auto [at, fresh] = values_[seen.lane].emplace(seen.offset, seen.value);
    if (!fresh && at->second != seen.value) {
      complain("two values at " + where + ": " + to_string(at->second) + " and " +
               to_string(seen.value));
    }
    const auto [next, first] = next_.emplace(std::pair(seen.reader, seen.lane), seen.offset);
    if (!first && next->second != seen.offset) {
      complain("reader " + std::to_string(seen.reader) + " expected " +
               std::to_string(next->second) + " and got " + where);
    }
    next->second = seen.offset + 1;
    int64_t& time_us = times_us_[std::pair(seen.reader, seen.lane)];
    if (seen.append_time_us < time_us) complain("append times go back at " + where);
    time_us = seen.append_time_us;
  }

  void on_reader_jumped(uint32_t reader, const Lane& lane) override {
    next_.erase(std::pair(reader, lane));
    times_us_.erase(std::pair(reader, lane));
  }

  void on_final(const Final& log) override {
    int64_t offset = log.log_start;
    for (const Value& value : log.values) {
      const auto seen = values_[log.lane].emplace(offset, value).first;
      if (seen->second != value) {
        complain("two values at " + to_string(log.lane) + "@" + std::to_string(offset) + ": " +
                 to_string(seen->second) + " and, at the end, " + to_string(value));
      }
      ++offset;
    }
  }

 private:
  std::map<Lane, std::map<int64_t, Value>> values_;
  std::map<std::pair<uint32_t, Lane>, int64_t> next_;
  std::map<std::pair<uint32_t, Lane>, int64_t> times_us_;
};

}  // namespace

std::unique_ptr<Checker> make_offsets_checker(Violations* violations) {
  return std::make_unique<OffsetsChecker>(violations);
}

}  // namespace headrace::sim
