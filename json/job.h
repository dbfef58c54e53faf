// A replay or redrive job as a JSON object.
#pragma once

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

void job_fields(JsonLine* line, const proto::Job& job);

}  // namespace headrace
