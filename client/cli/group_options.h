// Options of an acked group, from flags to the message.
#pragma once

#include "client/cli/arguments.h"
#include "client/error.h"
#include "headrace.pb.h"

namespace headrace::cli {

// Puts what was given over `options`. bad_argument names the flag; what the broker knows better
// (ranges, words, patterns) it checks itself.
client::Error apply_options(const GroupOptionArguments& given, proto::GroupOptions* options);

}  // namespace headrace::cli
