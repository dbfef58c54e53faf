// UTF-8 of strangers: Protobuf strings and JSON must be well-formed, event bytes need not be. Pure
// functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headrace {

bool is_utf8(std::string_view bytes);
// Well-formed text of at most `max_bytes`: damaged bytes become U+FFFD, and what is cut off ends
// between two characters.
std::string clean_utf8(std::string_view bytes, size_t max_bytes);

}  // namespace headrace
