// A fetch below the tail: chunk row, then exact keys, never an iterator over blobs. One chunk
// (about 1 MiB) a fetch at most; those in which nothing can match are left out by their rows.
//
// Lives on: the shard's reactor; owns itself and the request until it has answered. Needs nothing
// of the partition after begin(), so a partition dropped meanwhile does no harm.
#pragma once

#include <memory>

#include "broker/core/ctx.h"
#include "broker/core/log_index.h"

namespace headrace::core {

struct ColdRead {
  static void begin(std::unique_ptr<Fetch> request, const LogIndex& index, Offset visible_end,
                    Ctx* ctx);
};

}  // namespace headrace::core
