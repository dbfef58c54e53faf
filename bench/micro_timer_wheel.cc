// Deadlines: arming and disarming (the usual end of a deadline), and firing.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "broker/runtime/timer_wheel.h"

namespace headrace {
namespace {

struct Deadline final : core::Timer {
  void on_timer(Time) override {}
};

void arm_and_disarm(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  runtime::TimerWheel wheel(0);
  std::vector<Deadline> timers(count);
  std::mt19937_64 random(1);
  std::vector<int64_t> deadlines(4096);
  for (int64_t& deadline : deadlines) deadline = static_cast<int64_t>(random() % 60'000'000);
  for (size_t i = 0; i < count; ++i) wheel.arm(&timers[i], deadlines[i % deadlines.size()]);
  size_t at = 0;
  for (auto _ : state) {
    Deadline* timer = &timers[at % count];
    wheel.disarm(timer);
    wheel.arm(timer, deadlines[at % deadlines.size()]);
    ++at;
  }
  for (Deadline& timer : timers) wheel.disarm(&timer);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(arm_and_disarm)->Arg(1'000)->Arg(100'000);

void advance_idle(benchmark::State& state) {
  runtime::TimerWheel wheel(0);
  Time now;
  for (auto _ : state) {
    now.mono_us += 1'000;
    benchmark::DoNotOptimize(wheel.advance(now));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(advance_idle);

}  // namespace
}  // namespace headrace
