// A dead letter of an acked group as a JSON object.
#pragma once

#include <string>
#include <string_view>

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

// An array of failed attempts.
std::string attempts_json(const google::protobuf::RepeatedPtrField<proto::Attempt>& attempts);

// `event_json` is the letter's event (json/event.h), or null if it cannot be decoded.
void letter_fields(JsonLine* line, const proto::DeadLetter& letter, std::string_view event_json);

}  // namespace headrace
