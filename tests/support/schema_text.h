// Answers to requests about schemas, as transcripts show them.
#pragma once

#include <string>

#include "broker/core/api.h"

namespace headrace::test {

std::string schema_answer_text(core::Request& request);  // empty: it is another request

}  // namespace headrace::test
