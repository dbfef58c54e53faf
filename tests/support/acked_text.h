// Answers to requests of acked groups, as transcripts show them.
#pragma once

#include <string>

#include "broker/core/api_acked.h"
#include "broker/core/api_explain.h"
#include "broker/core/api_history.h"
#include "broker/core/api_jobs.h"

namespace headrace::test {

std::string acked_answer_text(core::Request& request);

}  // namespace headrace::test
