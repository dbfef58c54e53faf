// `headrace bench schemas`: what schemas cost a publisher. By turns: a tenant without any, and one
// with a thousand enforced types that publishes a type without a schema; then the same tenant with
// a type that has one. The values are the same JSON objects each time.
#pragma once

#include "bench/report.h"
#include "client/cli/cli.h"
#include "client/client.h"

namespace headrace::bench {

// Makes two tenants, with a topic each, and removes them. Needs a platform admin.
client::Error schema_cost(const cli::BenchArguments& arguments, Report* report);

}  // namespace headrace::bench
