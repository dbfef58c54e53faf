// SHA-256 (FIPS 180-4), by OpenSSL. Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace headrace {

using Sha256 = std::array<std::byte, 32>;

// Of the parts, one behind the other.
Sha256 sha256(std::initializer_list<std::string_view> parts);

// The same of what comes piece by piece.
class Sha256Sum {
 public:
  Sha256Sum();
  ~Sha256Sum();
  Sha256Sum(const Sha256Sum&) = delete;
  Sha256Sum& operator=(const Sha256Sum&) = delete;

  void add(std::string_view bytes);
  Sha256 finish();  // once; nothing may be added then

 private:
  void* context_;  // OpenSSL's
};

std::string to_hex(const Sha256& digest);

}  // namespace headrace
