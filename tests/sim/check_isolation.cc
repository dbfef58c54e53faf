#include <map>

#include "tests/sim/checkers.h"
#include "tests/sim/tenants.h"

namespace headrace::sim {
namespace {

// Some clients give every event a producer of its own: this times their number, and counted on.
constexpr uint32_t kProducersPerClient = 1'000'000;

class IsolationChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_client(const Joined& joined) override { tenant_of_[joined.client] = joined.tenant; }

  // Names, keys, values and error texts that clients send have the mark of their tenant.
  void on_heard(const Heard& heard) override {
    for (size_t at = heard.frame.find("<<"); at != std::string_view::npos;
         at = heard.frame.find("<<", at + 1)) {
      const std::string_view mark = heard.frame.substr(at, kMarkSize);
      if (mark.size() < kMarkSize || !mark.ends_with(">>")) continue;
      if (mark != mark_of(heard.tenant)) {
        complain("a client of " + tenant_name(heard.tenant) + " was sent something of " +
                 std::string(mark));
      }
    }
  }

  // Compressed or not.
  void on_seen(const Seen& seen) override { check(seen.lane, seen.offset, seen.value); }
  void on_delivered(const Delivered& delivered) override {
    check(delivered.lane, delivered.offset, delivered.value);
  }
  void on_final(const Final& log) override {
    int64_t offset = log.log_start;
    for (const Value& value : log.values) check(log.lane, offset++, value);
  }

 private:
  void check(const Lane& lane, int64_t offset, const Value& value) {
    const uint32_t client = value.producer >= kProducersPerClient
                                ? value.producer / kProducersPerClient
                                : value.producer;
    const auto known = tenant_of_.find(client);
    const uint32_t reader = tenant_of(lane.topic);
    if (known != tenant_of_.end() && known->second == reader) return;
    complain(to_string(lane) + "@" + std::to_string(offset) + " of " + tenant_name(reader) +
             " is " + to_string(value) + ", of another tenant");
  }

  std::map<uint32_t, uint32_t> tenant_of_;  // clients
};

}  // namespace

std::unique_ptr<Checker> make_isolation_checker(Violations* violations) {
  return std::make_unique<IsolationChecker>(violations);
}

}  // namespace headrace::sim
