// One run of a shell command: data on its standard input, its standard error caught. Main thread;
// SIGPIPE must be ignored (catch_interrupts).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::cli {

struct CommandResult {
  bool ok = false;           // it ran and its exit code was 0
  bool interrupted = false;  // ended by SIGINT or SIGTERM
  std::string
      error;  // else why: the end of its standard error, or how it ended; at most 1,024 bytes
};

// By /bin/sh -c. `variables` come on top of this process's environment; those that an environment
// cannot hold (a NUL byte, above 64 KiB) are left out. With `quiet` its standard output goes to
// standard error.
CommandResult run_command(const std::string& command, std::string_view input,
                          const std::vector<std::pair<std::string, std::string>>& variables,
                          bool quiet);

}  // namespace headrace::cli
