// When a failed attempt is tried again (group_options.h has the numbers). Pure: the spread comes
// from the event, not from chance, so that it is the same wherever it is computed.
#pragma once

#include <cstdint>

#include "broker/core/group_options.h"

namespace headrace::core {

// Delay after failure number `failures` (from 1) of an event. `seed`: of the event.
int64_t retry_delay_us(const RetryPolicy& policy, uint32_t failures, uint64_t seed);

}  // namespace headrace::core
