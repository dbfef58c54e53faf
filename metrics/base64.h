// Bytes as text, RFC 4648. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace headrace {

std::string encode_base16(std::string_view bytes);  // lower case
std::optional<std::string> decode_base16(std::string_view text);
std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text);  // padding required

}  // namespace headrace
