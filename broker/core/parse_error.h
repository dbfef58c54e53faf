// How a piece of text that a user wrote is refused: the text, the column (from 1, in bytes) and
// why.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "broker/core/error.h"

namespace headrace::core {

// Of ASCII; bytes above it are part of a longer character.
bool is_control(char c);

// In double quotes; quotes, backslashes and control characters as \" \\ \xNN.
std::string quoted(std::string_view text);

// invalid_request: `<what> "<text>", column <at + 1>: <why>`. A long text is shown around `at`.
Error parse_error(std::string_view what, std::string_view text, size_t at, std::string_view why);

}  // namespace headrace::core
