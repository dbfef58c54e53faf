// A consumer group of either kind as a JSON line.
#pragma once

#include <string>
#include <string_view>

#include "client/cli/json_line.h"
#include "headrace.pb.h"

namespace headrace::cli {

// Positional groups have no deliveries of their own: they are healthy, and what acked groups count
// is 0 for them.
std::string_view group_state(const proto::DescribeGroupOk& group);

// The fields of the command line's contract; then what there is to know beyond them.
void group_fields(JsonLine* line, const proto::DescribeGroupOk& group);
void group_details(JsonLine* line, const proto::DescribeGroupOk& group);

}  // namespace headrace::cli
