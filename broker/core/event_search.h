// Serves FindEvents: from the end towards the start, rows first (search_rows.cc), then the batches
// in which something may match. Rows and batches are read and looked through by workers.
//
// Lives on: the shard's reactor; owns itself and the request until it has answered. Needs nothing
// of the partition after begin().
#pragma once

#include <memory>

#include "broker/core/api_history.h"
#include "broker/core/ctx.h"
#include "broker/core/log_index.h"

namespace headrace::core {

struct EventSearch {
  static void begin(std::unique_ptr<FindEvents> request, const LogIndex& index, Offset visible_end,
                    Ctx* ctx);
};

}  // namespace headrace::core
