// Questions about the node itself, over HTTP. Main thread.
#pragma once

#include <nlohmann/json.hpp>

#include "client/cli/connect.h"

namespace headrace::cli {

// The answer's object; an error of the broker as the native protocol would have told it.
client::Result<nlohmann::json> ask_node(const ConnectArguments& connect,
                                        const client::HttpCall& call);

}  // namespace headrace::cli
