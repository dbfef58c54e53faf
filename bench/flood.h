// `headrace bench flood`: what a tenant's publishing costs while another floods. By turns the
// victim alone and beside the flood, at the same rate; the generators are threads of their own.
#pragma once

#include "bench/report.h"
#include "client/cli/cli.h"
#include "client/client.h"

namespace headrace::bench {

// Makes two tenants, with a topic each, and removes them. Needs a platform admin.
client::Error flood(const cli::BenchArguments& arguments, Report* report);

}  // namespace headrace::bench
