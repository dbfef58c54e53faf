// What the verbs of `dlq` share.
#pragma once

#include <string>
#include <vector>

#include "client/cli/arguments.h"

namespace headrace::cli {

// Why an event can be a dead letter, as the broker names it.
std::vector<std::string> dead_letter_reasons();

// --where and --reason, as the broker wants them.
std::vector<std::string> conditions_of(const DeadLetterArguments& given);

}  // namespace headrace::cli
