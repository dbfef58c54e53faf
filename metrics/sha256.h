// SHA-256 (FIPS 180-4), by OpenSSL. Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string_view>

namespace headrace {

using Sha256 = std::array<std::byte, 32>;

// Of the parts, one behind the other.
Sha256 sha256(std::initializer_list<std::string_view> parts);

}  // namespace headrace
