// What the verbs of `dlq` share.
#pragma once

#include <string>
#include <vector>

#include "client/cli/arguments.h"

namespace headrace::cli {

// --where and --reason, as the broker wants them.
std::vector<std::string> conditions_of(const DeadLetterArguments& given);

}  // namespace headrace::cli
