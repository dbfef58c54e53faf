// One received event as a line: JSON with the fields of the command line's contract, or its data.
// Topics are needed by name and id.
#pragma once

#include <string>

#include "client/received.h"
#include "headrace.pb.h"
#include "json/event.h"

namespace headrace::cli {

constexpr int64_t kInterruptPollMs = 100;   // how soon an interrupt is seen while none comes
constexpr size_t kPrintBytes = 256 * 1024;  // lines are printed together up to so much

void append_event(std::string* out, const proto::Topic& topic, const client::ReceivedEvent& event,
                  bool json, const proto::FoundEvent& found = {});  // what a search told of it
void event_fields(JsonLine* line, const proto::Topic& topic, const client::ReceivedEvent& event,
                  const proto::FoundEvent& found = {});

std::string event_id(const proto::Topic& topic, const client::ReceivedEvent& event);

}  // namespace headrace::cli
