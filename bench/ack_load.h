// The acknowledging load: one thread, several connections, each a member of one acked group. Every
// delivery is verified as a consumer does (header and checksum of its batches) and acked whole, by
// ranges; what counts is the ack that the broker has made durable.
#pragma once

#include <cstdint>
#include <string>

#include "bench/load.h"

namespace headrace::bench {

struct AckPlan {
  net::Endpoint server;
  std::string tenant;
  std::string group;
  uint32_t connections = 4;
  uint32_t window_events = 10'000;  // of each member, delivered and not confirmed
  uint64_t events = 0;              // ends when so many are confirmed
};

// Latency: from an ack's sending to its confirmation.
LoadResult ack_load(const AckPlan& plan);

}  // namespace headrace::bench
