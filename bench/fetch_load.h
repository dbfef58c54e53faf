// The consuming load: one thread, several connections, each fetching its partitions by long poll.
// Every batch's header and checksum are verified, as a consumer does; records are counted by the
// headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load.h"

namespace headrace::bench {

struct FetchPlan {
  client::ClientOptions connect;
  std::string topic;
  uint32_t connections = 4;
  // Of each partition: [first, end), read again and again until `events` are read in total.
  struct Range {
    int64_t first = 0;
    int64_t end = 0;
  };
  std::vector<Range> ranges;
  uint64_t events = 0;
  uint32_t fetch_bytes = 1u << 20;
};

LoadResult fetch_load(const FetchPlan& plan);

}  // namespace headrace::bench
