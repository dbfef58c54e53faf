#include "client/cli/explanation.h"

#include "json/dead_letter.h"
#include "metrics/quantity.h"

namespace headrace::cli {

client::Result<proto::ExplainEventOk> explain_event(client::Client& client,
                                                    const std::string& group, const EventAt& at) {
  proto::ExplainEvent request;
  request.set_group(group);
  request.set_topic(at.topic.name());
  request.set_partition(at.partition);
  request.set_offset(at.offset);
  while (true) {
    auto told = client::explain_event(client, request);
    if (!told.ok() || told->cursor().empty()) return told;
    request.set_cursor(told->cursor());
  }
}

namespace {

void time_or_null(JsonLine* line, std::string_view name, int64_t time_us) {
  if (time_us == 0) {
    line->null(name);
  } else {
    line->text(name, format_time_us(time_us));
  }
}

void text_or_null(JsonLine* line, std::string_view name, const std::string& text) {
  if (text.empty()) {
    line->null(name);
  } else {
    line->text(name, text);
  }
}

std::string words_json(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string json = "[";
  for (const std::string& word : words) {
    if (json.size() > 1) json += ',';
    append_json_string(&json, word);
  }
  return json + "]";
}

std::string jobs_json(const proto::ExplainEventOk& told) {
  std::string json = "[";
  for (const proto::ExplainedJob& job : told.jobs()) {
    if (json.size() > 1) json += ',';
    JsonLine(&json)
        .text("job", job.id())
        .text("kind", job.kind())
        .text("state", job.state())
        .text("status", job.status())
        .end();
    json.pop_back();  // the line's end
  }
  return json + "]";
}

std::string letter_json(const proto::ExplainEventOk& told) {
  if (told.letter().empty()) return "null";
  std::string json;
  JsonLine line(&json);
  line.text("id", told.letter());
  line.text("reason", told.reason());
  line.text("error", told.error());
  line.text("dead_at", format_time_us(told.dead_us()));
  text_or_null(&line, "redriven_by", told.redriven_by());
  line.end();
  json.pop_back();
  return json;
}

}  // namespace

void explanation_fields(JsonLine* line, const std::string& group,
                        const proto::ExplainEventOk& told) {
  line->text("group", group);
  line->text("status", told.status());
  told.has_matches() ? line->boolean("matches", told.matches()) : line->null("matches");
  text_or_null(line, "mismatch", told.mismatch());
  line->raw("held_by", words_json(told.held_by()));
  line->text("state", told.state());
  text_or_null(line, "state_reason", told.state_reason());
  time_or_null(line, "cooldown_ends", told.cooldown_ends_us());
  line->number("events_before", told.events_before());
  told.attempt() == 0 ? line->null("attempt") : line->number("attempt", told.attempt());
  text_or_null(line, "member", told.member());
  time_or_null(line, "started", told.started_us());
  time_or_null(line, "deadline", told.deadline_us());
  time_or_null(line, "due", told.due_us());
  line->raw("attempts", attempts_json(told.attempts()));
  line->raw("dead_letter", letter_json(told));
  line->raw("jobs", jobs_json(told));
  line->text("event", told.event());
  text_or_null(line, "schema_violation", told.schema_violation());
}

std::string explanation_text(const std::string& group, const proto::ExplainEventOk& told) {
  std::string text = group + ": " + told.status() + "\n";
  const auto say = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) text += "  " + std::string(what) + ": " + value + "\n";
  };
  const auto say_time = [&](std::string_view what, int64_t time_us) {
    if (time_us != 0) say(what, format_time_us(time_us));
  };
  if (told.event() != "found") say("the event in the log", told.event());
  say("not matched by", told.mismatch());
  say("kept from handlers", told.schema_violation());
  std::string held_by;
  for (const std::string& word : told.held_by()) held_by += (held_by.empty() ? "" : ", ") + word;
  say("held by", held_by);
  if (!told.held_by().empty()) {
    say("state of the group", told.state());
    say("because", told.state_reason());
    say_time("cool-down ends", told.cooldown_ends_us());
  }
  if (told.events_before() > 0) say("events before it", std::to_string(told.events_before()));
  if (told.attempt() > 0) say("attempt", std::to_string(told.attempt()));
  say("member", told.member());
  say_time("since", told.started_us());
  say_time("deadline", told.deadline_us());
  say_time("due", told.due_us());
  for (const proto::Attempt& attempt : told.attempts()) {
    const std::string lane =
        attempt.lane() == 0 ? "" : " of job " + group + "/" + std::to_string(attempt.lane());
    say((attempt.outcome() == "acked" ? "attempt " : "failed attempt ") +
            std::to_string(attempt.number()) + lane,
        format_time_us(attempt.ended_us()) + " " + attempt.member() + ", " + attempt.outcome() +
            (attempt.error().empty() ? "" : ": " + attempt.error()));
  }
  say("dead letter", told.letter());
  say("reason", told.reason());
  say("redriven by", told.redriven_by());
  for (const proto::ExplainedJob& job : told.jobs()) {
    say("job " + job.id() + " (" + job.kind() + ", " + job.state() + ")", job.status());
  }
  return text;
}

}  // namespace headrace::cli
