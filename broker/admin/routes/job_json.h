// A job in the body of an answer. Pure; the HTTP thread.
#pragma once

#include "broker/core/api_jobs.h"
#include "json/json_line.h"

namespace headrace::admin {

void job_json(JsonLine* line, const core::GroupRecord& group, const core::JobStats& job);

}  // namespace headrace::admin
