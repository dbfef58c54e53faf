// What stands between the method and the version of a request. The one place that knows Boost.URL.
// Pure; any thread.
#pragma once

#include <string_view>

#include "net/http/message.h"

namespace headrace::http {

// Fills path, segments and query. False: it is no absolute path as RFC 3986 has it, or holds what
// no name holds: a NUL or damaged UTF-8.
bool parse_target(std::string_view target, Request* request);

}  // namespace headrace::http
