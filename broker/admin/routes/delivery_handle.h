// What a delivery over HTTP is settled by: everything that names it, so that nothing is kept for
// it. MEMBER.LANE.PARTITION.OFFSET.ATTEMPT in decimal. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace headrace::admin {

struct DeliveryHandle {
  uint64_t member = 0;
  LaneId lane;
  PartitionId partition;
  Offset offset;
  uint32_t attempt = 0;
};
std::string to_string(const DeliveryHandle& handle);
std::optional<DeliveryHandle> parse_delivery_handle(std::string_view text);

}  // namespace headrace::admin
