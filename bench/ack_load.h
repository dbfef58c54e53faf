// The acknowledging load: one thread, several connections, each a member of one acked group. Every
// delivery is verified as a consumer does (header and checksum of its batches) and acked whole, by
// ranges; what counts is the ack that the broker has made durable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "bench/load.h"

namespace headrace::bench {

struct AckPlan {
  client::ClientOptions connect;
  std::string group;
  uint32_t connections = 4;
  uint32_t window_events = 10'000;  // of each member, delivered and not confirmed
  uint64_t events = 0;              // ends when so many are confirmed
  // Above 0: every event is failed first, to come again after so long; its latency is how late it
  // comes. They are failed at this rate, if it is above 0.
  int64_t park_ms = 0;
  double parked_per_s = 0;
  bool live = false;  // latency: from an event's time, which is that of its publish in ms
  std::function<client::Error()> revive;  // after failures: the group, which they have stopped
  std::function<void()> all_parked;       // runs once, when nothing is left that never came
};

// Latency: from an ack's sending to its confirmation, but see park_ms.
LoadResult ack_load(const AckPlan& plan);

}  // namespace headrace::bench
