// A topic as a JSON object.
#pragma once

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

void topic_fields(JsonLine* line, const proto::Topic& topic);
void topic_details(JsonLine* line, const proto::DescribeTopicOk& topic);

}  // namespace headrace
