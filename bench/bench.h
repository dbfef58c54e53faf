// `headrace bench`: makes a topic of its own, loads it, prints the result as the last line. Returns
// the exit code of the command line's contract. Called once, on the main thread.
#pragma once

#include "client/cli/cli.h"

namespace headrace::bench {

int run(const cli::BenchArguments& arguments);

}  // namespace headrace::bench
