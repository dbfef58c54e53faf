// What a member has acquired, as frames: runs of whole batches, untouched, where at least half of
// their events are acquired, and decoded single events where it is fewer, or where the client wants
// nothing else. Their order stays.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/core/api_acked.h"
#include "headrace.pb.h"

namespace headrace::native {

struct GroupFrame {
  proto::GroupDelivery message;
  std::vector<SharedBytes> payload;
};
// Acquired, but this client cannot be given it in the form it asked for.
struct Undeliverable {
  core::AcquiredRange range;
  std::string why;
};
struct GroupFrames {
  std::vector<GroupFrame> frames;
  std::vector<Undeliverable> undeliverable;  // only with `decoded`
};

GroupFrames make_group_frames(uint32_t subscription, const core::Acquire& acquired, bool decoded);

}  // namespace headrace::native
