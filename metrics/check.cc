#include "metrics/check.h"

#include <cstdio>
#include <cstdlib>

namespace headrace {

void check_failed(const char* text, const char* file, int line) noexcept {
  std::fprintf(stderr, "check failed: %s at %s:%d\n", text, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace headrace
