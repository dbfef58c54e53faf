// A dead letter in the body of an answer. Pure; the HTTP thread.
#pragma once

#include <string>

#include "broker/admin/call.h"
#include "broker/core/api_acked.h"

namespace headrace::admin {

// As people are shown it: what the node's masks hide is hidden.
std::string letter_json(const CallPtr& call, const core::ListDeadLetters& listed,
                        const core::DeadLetter& letter);

}  // namespace headrace::admin
