// Offsets by time: the first event appended at or after a moment. Months first (memory), then a
// search by halves over the month's chunk rows, a row a step: a month of a terabyte takes 20 steps.
//
// Lives on: the shard's reactor; owns itself and the request until it has answered.
#pragma once

#include <memory>

#include "broker/core/ctx.h"
#include "broker/core/log_index.h"

namespace headrace::core {

struct TimeLookup {
  static void begin(std::unique_ptr<ListOffsets> request, const LogIndex& index, Offset visible_end,
                    Ctx* ctx);
};

}  // namespace headrace::core
