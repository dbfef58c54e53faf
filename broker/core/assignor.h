// Which member reads which partition: even to within one, and sticky: a partition changes its
// member only if evenness needs it. Pure and deterministic.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/types.h"

namespace headrace::core {

using Assignment =
    std::map<std::string, std::vector<PartitionId>>;  // member → its partitions, sorted

// Members as they stand; `current` may name members that have left and partitions that are gone.
Assignment assign(const std::vector<std::string>& members, uint32_t partitions,
                  const Assignment& current);

}  // namespace headrace::core
