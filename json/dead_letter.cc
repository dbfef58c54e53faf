#include "json/dead_letter.h"

#include "metrics/quantity.h"

namespace headrace {

std::string attempts_json(const google::protobuf::RepeatedPtrField<proto::Attempt>& attempts) {
  std::string json = "[";
  for (const proto::Attempt& attempt : attempts) {
    if (json.size() > 1) json += ',';
    JsonLine(&json)
        .number("attempt", attempt.number())
        .text("started", format_time_us(attempt.started_us()))
        .text("ended", format_time_us(attempt.ended_us()))
        .number("duration_us", attempt.ended_us() - attempt.started_us())
        .text("member", attempt.member())
        .text("outcome", attempt.outcome())
        .text("error", attempt.error())
        .number("lane", attempt.lane())
        .end();
    json.pop_back();  // the line's end
  }
  return json + "]";
}

void letter_fields(JsonLine* line, const proto::DeadLetter& letter, std::string_view event_json) {
  line->text("id", letter.id())
      .text("group", letter.group())
      .text("topic", letter.topic())
      .number("partition", letter.partition())
      .number("offset", letter.offset())
      .text("reason", letter.reason())
      .text("error", letter.error())
      .raw("attempts", attempts_json(letter.attempts()))
      .text("dead_at", format_time_us(letter.dead_us()))
      .text("state", letter.state())
      .text("redriven_by", letter.redriven_by())
      .text("redrive_of", letter.redrive_of())
      .number("lane", letter.lane())
      .raw("event", event_json);
}

}  // namespace headrace
