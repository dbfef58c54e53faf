// Brings a partition's state back from the store: months, log start, producers, then the batches of
// the open chunk (at most 1 MiB or 256), which also warm the tail. The only constructor of state.
//
// Lives on: the shard's reactor; owns itself until the last step.
#pragma once

#include <functional>
#include <memory>

#include "broker/core/ctx.h"

namespace headrace::core {

class Partition;

struct PartitionLoad {
  // `loaded` runs once, when the partition is ready or failed; not if it is gone by then.
  static void begin(std::shared_ptr<Partition> partition, Ctx* ctx, std::function<void()> loaded);

 private:
  struct Steps;
};

}  // namespace headrace::core
