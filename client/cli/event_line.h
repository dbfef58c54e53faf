// One received event as a line: JSON with the fields of the command line's contract, or its data.
#pragma once

#include <string>

#include "client/received.h"
#include "headrace.pb.h"

namespace headrace::cli {

void append_event(std::string* out, const proto::Topic& topic, const client::ReceivedEvent& event,
                  bool json);

}  // namespace headrace::cli
