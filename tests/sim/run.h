// One run of the simulation: rounds of load and faults, then healing, then the verdict.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/options.h"

namespace headrace::sim {

struct Verdict {
  std::vector<std::string> violations;
  uint64_t trace_hash = 0;
  uint64_t published = 0;  // acknowledged events
  uint64_t resent = 0;     // of them acknowledged as duplicates
  uint64_t read = 0;
  uint64_t committed = 0;     // events that groups committed
  uint64_t handled = 0;       // deliveries to members of acked groups
  uint64_t delayed = 0;       // acknowledged to be delayed
  uint64_t cancelled = 0;     // of those
  uint64_t repeated = 0;      // recognised by their id
  uint64_t purged = 0;        // dead letters
  uint64_t jobs = 0;          // completed, and judged
  uint64_t flooded = 0;       // publishes while all tenants publish what they can
  uint64_t shared_turns = 0;  // in which several tenants wanted more than they were given
  uint64_t kept_back = 0;     // letters of events that do not match their schema, each time listed
  uint64_t starts = 0;        // of the node
};

Verdict run(const Options& options);

}  // namespace headrace::sim
