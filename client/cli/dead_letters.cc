// dlq ls / get; deleting is delete_dead_letters.cc.
#include "client/cli/dead_letters.h"

#include <algorithm>

#include "client/admin.h"
#include "client/cli/event_line.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/dead_letter.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

client::Error event_json(const proto::DeadLetter& letter, std::string_view value,
                         std::string* json) {
  const auto batch = client::receive_event(letter.partition(), letter.event(), value);
  if (!batch.ok()) return batch.error;
  client::EventReader reader(batch.value);
  client::ReceivedEvent event;
  if (!reader.next(&event)) return reader.error();
  proto::Topic topic;
  topic.set_name(letter.topic());
  topic.set_id(letter.topic_id());
  JsonLine line(json);
  event_fields(&line, topic, event);
  line.end();
  json->pop_back();
  return {};
}

client::Error append_letter(std::string* out, const proto::DeadLetter& letter,
                            std::string_view value) {
  std::string event;
  if (const auto error = event_json(letter, value, &event)) return error;
  JsonLine line(out);
  letter_fields(&line, letter, event);
  line.end();
  return {};
}

// Cuts the values of the letters' events out of the payload.
client::Result<std::string_view> take_value(const proto::DeadLetter& letter,
                                            std::string_view* values) {
  const size_t size = letter.event().value_size();
  if (size > values->size()) return client::bad_reply("dead letters: sizes exceed the payload");
  const std::string_view value = values->substr(0, size);
  values->remove_prefix(size);
  return value;
}

}  // namespace

std::vector<std::string> dead_letter_reasons() {
  return {"nack",        "timeout",      "rejected",         "expired",
          "undecodable", "lost_members", "schema_violation", "schema_version"};
}

std::vector<std::string> conditions_of(const DeadLetterArguments& given) {
  auto conditions = given.conditions;
  if (!given.reason.empty()) conditions.push_back("reason == " + given.reason);
  return conditions;
}

int list_dead_letters(const ConnectArguments& connect, const DeadLetterArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  proto::ListDeadLetters request;
  request.set_group(given.group);
  request.set_page_size(100);
  for (auto& condition : conditions_of(given)) request.add_conditions(std::move(condition));
  Table table({"ID", "REASON", "ATTEMPTS", "DEAD AT", "STATE", "ERROR"});
  uint64_t left = given.count > 0 ? given.count : UINT64_MAX;
  do {
    SharedBytes payload;
    const auto page = client::list_dead_letters(*client.value, request, &payload);
    if (!page.ok()) return report(page.error);
    std::string_view values = payload.view();
    std::string out;
    for (const proto::DeadLetter& letter : page->letters()) {
      if (left == 0) break;
      --left;
      const auto value = take_value(letter, &values);
      if (!value.ok()) return report(value.error);
      if (connect.json) {
        if (const auto error = append_letter(&out, letter, value.value)) return report(error);
      } else {
        table.row({letter.id(), letter.reason(), std::to_string(letter.attempts_size()),
                   format_time_us(letter.dead_us()), letter.state(),
                   letter.error().substr(0, letter.error().find('\n'))});
      }
    }
    if (!print(out)) return kDone;
    request.set_cursor(page->cursor());
  } while (!request.cursor().empty() && left != 0);
  if (!connect.json) print(table.text());
  return kDone;
}

int get_dead_letter(const ConnectArguments& connect, const DeadLetterArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  SharedBytes payload;
  const auto reply = client::get_dead_letter(*client.value, given.id, &payload);
  if (!reply.ok()) return report(reply.error);
  std::string_view values = payload.view();
  const auto value = take_value(reply->letter(), &values);
  if (!value.ok()) return report(value.error);
  std::string out;
  if (const auto error = append_letter(&out, reply->letter(), value.value)) return report(error);
  print(out);
  return kDone;
}

}  // namespace headrace::cli
