// A described group as the body of an answer. The HTTP thread.
#pragma once

#include <string>

#include "broker/core/api.h"

namespace headrace::admin {

std::string group_json(const core::DescribeGroup& described);

}  // namespace headrace::admin
