// `--from earliest|latest|OFFSET|TIME`.
#pragma once

#include <string_view>

#include "client/error.h"
#include "headrace.pb.h"

namespace headrace::cli {

client::Result<proto::Position> parse_position(std::string_view text);

// RFC 3339, of a flag that bounds a time; 0: it was not given.
client::Result<int64_t> parse_bound(const char* flag, const std::string& text);

}  // namespace headrace::cli
