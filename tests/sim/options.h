// What one simulated run does: drawn from its seed, printed when it fails.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tests/support/sim_io.h"

namespace headrace::sim {

struct Options {
  uint64_t seed = 0;
  // the node
  uint32_t reactors = 1;
  uint32_t shards = 4;
  size_t tail_bytes = 64u << 20;
  uint64_t store_budget_bytes = 64u << 20;
  size_t set_bytes = 1u << 20;  // of publishes
  int64_t store_step_us = 300;  // longest pause before the store's next step
  // the network
  test::SimNetworkOptions network;
  // the clients
  uint32_t topics = 2;
  uint32_t publishers = 3;
  uint32_t idempotent = 2;
  uint32_t readers = 1;
  uint32_t subscribers = 1;
  uint32_t members = 2;
  uint32_t handlers = 2;
  uint32_t delayers = 1;
  uint32_t repeaters = 1;
  uint32_t schemas = 1;                      // publishers of a type with a schema
  uint32_t tenants = 1;                      // the first is `default`
  std::array<uint32_t, 3> weights{1, 1, 1};  // of them
  bool flood = false;                        // in the end all of them publish what they can
  int64_t turn_events = 1 << 14;             // of acked groups, in a turn of a reactor
  int64_t events_per_s = 0;                  // quota of each tenant; 0: none
  uint32_t dlq_entries = 0;  // quota of dead letters; 0: the default, which is never reached
  bool slow_readers = false;
  bool retention = false;
  bool deletes = false;
  // the run
  uint32_t rounds = 8;
  int64_t length_us = int64_t{3'600} * 1'000'000;
  double crash = 0;          // share of rounds with a power cut
  double clean_restart = 0;  // share of rounds with a restart in peace
  double commit_fault = 0;   // share of rounds in which a commit is unknown or fenced
  double disk_low = 0;       // share of rounds with a full disk
  double clock_step = 0;     // share of rounds in which the wall clock jumps
  double resets = 0;         // share of rounds in which connections break
  int64_t idle_days = 0;     // skipped in the middle of the run

  std::string to_string() const;
};

Options draw_options(uint64_t seed);

}  // namespace headrace::sim
