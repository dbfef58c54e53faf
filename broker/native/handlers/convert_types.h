// Counts by type between the core and the protocol. Pure; any thread.
#pragma once

#include "broker/core/api_history.h"
#include "headrace.pb.h"

namespace headrace::native {

// Names the field that is wrong.
core::Error from_proto(const proto::ListTypes& message, core::ListTypes* request);
void to_proto(const core::ListTypes::Row& row, proto::TypeStats* stats);

}  // namespace headrace::native
