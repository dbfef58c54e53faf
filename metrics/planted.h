// Bugs that are planted for tests (HEADRACE_PLANTED, docs/testing.md). Where several are built in,
// those that ask here are there only for the checker that has to find them.
#pragma once

#include <cstdlib>
#include <string_view>

namespace headrace {

inline bool planted(std::string_view checker) {
  const char* only = std::getenv("HEADRACE_SIM_CHECKER");
  return only == nullptr || checker == only;
}

}  // namespace headrace
