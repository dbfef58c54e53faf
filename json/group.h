// A consumer group of either kind as a JSON object, and the options of acked ones.
#pragma once

#include <string>

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

// The fields of the command line's contract, then what there is to know beyond them. What acked
// groups count is 0 for positional ones: they have no deliveries of their own.
void group_fields(JsonLine* line, const proto::DescribeGroupOk& group);
void group_details(JsonLine* line, const proto::DescribeGroupOk& group);

std::string options_json(const proto::GroupOptions& options);

}  // namespace headrace
