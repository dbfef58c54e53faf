// A small file that is there whole or not at all, also after a power cut.
#pragma once

#include <sys/types.h>

#include <string>

namespace headrace::storage {

// Writes `name` in `dir` anew with these permissions. False: errno says why.
bool write_synced(const std::string& dir, const std::string& name, mode_t mode,
                  const std::string& text);

}  // namespace headrace::storage
