// What is said of a topic or a group that is made although it exists: in what the one that is there
// differs from what was asked, or that it is equal. Pure.
#pragma once

#include <string>

#include "broker/core/api.h"
#include "broker/core/group_options.h"

namespace headrace::core {

// "'orders': partitions 4, asked 8"; of an equal one that if_missing would have taken it.
std::string topic_exists_as(const Topic& existing, const CreateTopic& asked);
std::string group_exists_as(const std::string& name, const GroupOptions& existing,
                            const GroupOptions& asked);

}  // namespace headrace::core
