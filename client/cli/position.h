// `--from earliest|latest|OFFSET|TIME`.
#pragma once

#include <string_view>

#include "client/error.h"
#include "headrace.pb.h"

namespace headrace::cli {

client::Result<proto::Position> parse_position(std::string_view text);

}  // namespace headrace::cli
