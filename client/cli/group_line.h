// A consumer group of either kind as a JSON line.
#pragma once

#include <string>

#include "client/cli/json_line.h"
#include "headrace.pb.h"

namespace headrace::cli {

// The fields of the command line's contract, then what there is to know beyond them. What acked
// groups count is 0 for positional ones: they have no deliveries of their own.
void group_fields(JsonLine* line, const proto::DescribeGroupOk& group);
void group_details(JsonLine* line, const proto::DescribeGroupOk& group);

}  // namespace headrace::cli
