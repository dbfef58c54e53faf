// Parked events beyond what memory holds: those that are due come first, whatever was parked while
// the next ones were being read.
#include "broker/core/retry_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "broker/limits.h"
#include "tests/support/core_stage.h"
#include "tests/support/prng.h"

namespace headrace::test {
namespace {

TEST(RetryQueue, WhatIsParkedDuringARefillDoesNotHoldWhatIsDue) {
  static_assert(limits::kRetryHeads < 300);  // 600 do not fit into memory, nor 300 twice
  CoreStage stage;
  const auto run = [&](const std::string& command) {
    stage.run(command);
    stage.run("settle");
  };
  run("create orders 1");
  run("declare mail orders from=earliest deadline_s=40000");
  run("attach mail a 2000");
  std::string values;
  for (int i = 0; i < 700; ++i) values += " v" + std::to_string(i);
  run("publish orders 0 durable" + values);
  for (int batch = 0; batch < 2; ++batch) run("take mail a 700");
  run("nack mail a 0 0 599 1 delay_s=100");
  run("enable mail");  // so many failures stop a group
  run("clock +101");
  stage.run("take mail a 250");  // the next ones are being read now
  stage.run("nack mail a 0 600 699 1 delay_s=1000");
  stage.run("enable mail");
  stage.run("settle");
  for (int i = 0; i < 20; ++i) run("take mail a 500");
  stage.take_transcript();
  stage.run("describe mail");
  const std::string described = stage.take_transcript();
  EXPECT_NE(described.find("in flight 600 "), std::string::npos) << described;
}

struct Parked {
  int64_t due_s = 0;
  uint32_t attempt = 0;  // the next one
};

// Against the simplest model: a map from the offset to when it is due.
class ParkedEvents {
 public:
  explicit ParkedEvents(uint64_t seed) : prng_(seed) {
    run("create orders 1");
    run("declare mail orders from=earliest deadline_s=40000 retries=100 in_flight=6000");
    run("attach mail a 6000");
    std::string values;
    for (int i = 0; i < kEvents; ++i) values += " v";
    run("publish orders 0 durable" + values);
  }

  using Taken = std::vector<std::pair<int64_t, uint32_t>>;  // offset, attempt

  // Time passes; whatever can be had then, in the order it comes. A take that finds nothing waits,
  // and is answered when something is due.
  Taken take_all(int64_t seconds) {
    Taken taken;
    if (seconds > 0) parse(run("clock +" + std::to_string(seconds)), &taken);
    if (!taken.empty()) waits_ = false;
    while (!waits_) {
      const size_t before = taken.size();
      parse(run("take mail a 6000"), &taken);
      waits_ = taken.size() == before;
    }
    return taken;
  }

  std::string run(const std::string& command) {
    stage_.run(command);
    stage_.run("settle");
    return stage_.take_transcript();
  }

  static constexpr int kEvents = 700;  // not all fit into memory

  test::Prng prng_;

 private:
  static void parse(const std::string& told, Taken* taken) {
    static const std::regex kEvent(R"(attempt (\d+):|(\d+)=)");
    uint32_t attempt = 0;
    for (std::sregex_iterator at(told.begin(), told.end(), kEvent), end; at != end; ++at) {
      if ((*at)[1].matched) attempt = static_cast<uint32_t>(std::stoul((*at)[1]));
      if ((*at)[2].matched) taken->emplace_back(std::stoll((*at)[2]), attempt);
    }
  }

  CoreStage stage_;
  bool waits_ = false;
};

TEST(RetryQueue, WhatIsDueComesInTheOrderOfItsTimes) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ParkedEvents world(seed);
    std::map<int64_t, Parked> model;
    int64_t now_s = 0;
    auto taken = world.take_all(0);
    ASSERT_EQ(taken.size(), static_cast<size_t>(ParkedEvents::kEvents));
    for (int round = 0; round < 8; ++round) {
      for (const auto& [offset, attempt] : taken) {
        const std::string at = std::to_string(offset);
        const std::string range = " mail a 0 " + at + " " + at + " " + std::to_string(attempt);
        if (world.prng_.chance(0.1)) {
          world.run("ack" + range);
          continue;
        }
        const int64_t delay_s = world.prng_.between(10, 600);
        world.run("nack" + range + " delay_s=" + std::to_string(delay_s));
        world.run("enable mail");  // so many failures stop a group
        model[offset] = {now_s + delay_s, attempt + 1};
      }
      const int64_t passed_s = world.prng_.between(1, 250);
      now_s += passed_s;
      std::vector<std::tuple<int64_t, int64_t, uint32_t>> due;
      for (const auto& [offset, parked] : model) {
        if (parked.due_s <= now_s) due.emplace_back(parked.due_s, offset, parked.attempt);
      }
      std::sort(due.begin(), due.end());
      ParkedEvents::Taken expected;
      for (const auto& [due_s, offset, attempt] : due) {
        expected.emplace_back(offset, attempt);
        model.erase(offset);
      }
      taken = world.take_all(passed_s);
      ASSERT_EQ(taken, expected) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace headrace::test
