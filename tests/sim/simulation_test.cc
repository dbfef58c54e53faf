// HEADRACE_SIM_SEEDS: how many of the fixed seeds run (200); HEADRACE_SIM_SEED: only this one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "metrics/log.h"
#include "tests/sim/run.h"

namespace headrace::sim {
namespace {

uint64_t environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string describe(const Options& options) {
  return "SIM seed=" + std::to_string(options.seed) + " options=" + options.to_string();
}

// What happened in all of them: a simulation in which nothing happens finds nothing.
struct Sum {
  uint64_t published = 0;
  uint64_t resent = 0;
  uint64_t read = 0;
  uint64_t committed = 0;
  uint64_t handled = 0;
  uint64_t delayed = 0;
  uint64_t cancelled = 0;
  uint64_t repeated = 0;
  uint64_t purged = 0;
  uint64_t jobs = 0;
  uint64_t kept_back = 0;
  uint64_t flooded = 0;
  uint64_t shared_turns = 0;
  uint64_t starts = 0;
};

bool run_seed(uint64_t seed, Sum* sum) {
  const Options options = draw_options(seed);
  SCOPED_TRACE(describe(options));
  const Verdict verdict = run(options);
  for (const auto& violation : verdict.violations) ADD_FAILURE() << violation;
  sum->published += verdict.published;
  sum->resent += verdict.resent;
  sum->read += verdict.read;
  sum->committed += verdict.committed;
  sum->handled += verdict.handled;
  sum->delayed += verdict.delayed;
  sum->cancelled += verdict.cancelled;
  sum->repeated += verdict.repeated;
  sum->purged += verdict.purged;
  sum->jobs += verdict.jobs;
  sum->kept_back += verdict.kept_back;
  sum->flooded += verdict.flooded;
  sum->shared_turns += verdict.shared_turns;
  sum->starts += verdict.starts;
  return verdict.violations.empty();
}

TEST(Simulation, Seeds) {
  Sum sum;
  if (const uint64_t only = environment("HEADRACE_SIM_SEED", 0); only != 0) {
    std::cout << describe(draw_options(only)) << '\n';
    run_seed(only, &sum);
    return;
  }
  const uint64_t seeds = environment("HEADRACE_SIM_SEEDS", 200);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    if (!run_seed(seed, &sum)) return;
  }
  std::cout << seeds << " seeds: " << sum.published << " events acknowledged, " << sum.resent
            << " of them sent again, " << sum.read << " read, " << sum.committed
            << " committed by groups, " << sum.handled << " delivered to handlers, " << sum.delayed
            << " delayed, " << sum.cancelled << " of those cancelled, " << sum.repeated
            << " recognised by their id, " << sum.purged << " dead letters purged, " << sum.jobs
            << " jobs, " << sum.kept_back << " letters of events without a match to their schema, "
            << sum.flooded << " publishes while all tenants flood, " << sum.shared_turns
            << " turns in which several tenants wanted more, " << sum.starts << " starts\n";
  if (seeds < 100) return;  // a few need not meet everything
  EXPECT_GT(sum.published, seeds * 20);
  EXPECT_GT(sum.read, seeds * 20);
  EXPECT_GT(sum.resent, seeds / 10);
  EXPECT_GT(sum.committed, seeds * 20);
  EXPECT_GT(sum.handled, seeds * 20);
  EXPECT_GT(sum.delayed, seeds * 2);
  EXPECT_GT(sum.cancelled, seeds / 4);
  EXPECT_GT(sum.repeated, seeds / 2);
  EXPECT_GT(sum.purged, seeds / 4);
  EXPECT_GT(sum.jobs, 0u);
  EXPECT_GT(sum.kept_back, seeds);
  EXPECT_GT(sum.flooded, seeds);
  EXPECT_GT(sum.shared_turns, seeds / 10);
  EXPECT_GT(sum.starts, 2 * seeds);
}

TEST(Simulation, FreshSeed) {
  const uint64_t seed = std::random_device{}();
  std::cout << describe(draw_options(seed)) << '\n';
  Sum sum;
  run_seed(seed, &sum);
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
  for (const uint64_t seed : {1u, 2u}) {
    const Verdict first = run(draw_options(seed));
    const Verdict second = run(draw_options(seed));
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_GT(first.published, 0u);
  }
}

}  // namespace
}  // namespace headrace::sim
