// Counts of one event type as people read them. Pure.
#pragma once

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

void type_fields(JsonLine* line, const proto::TypeStats& stats);

}  // namespace headrace
