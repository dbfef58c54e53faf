// A dead letter in the body of an answer. Pure; the HTTP thread.
#pragma once

#include <string>

#include "broker/core/api_acked.h"

namespace headrace::admin {

std::string letter_json(const core::ListDeadLetters& listed, const core::DeadLetter& letter);

}  // namespace headrace::admin
