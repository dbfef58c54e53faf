// events ls / get: what is in the log.
#include <cstdio>
#include <utility>

#include "client/cli/event_line.h"
#include "client/cli/explanation.h"
#include "client/cli/position.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

using client::Error;

client::Result<proto::ListEvents> request_of(const EventsArguments& given) {
  proto::ListEvents request;
  request.set_topic(given.topic);
  for (const std::string& type : given.types) request.add_types(type);
  for (const std::string& condition : given.conditions) request.add_conditions(condition);
  request.set_id(given.id);
  request.set_correlation_id(given.correlation_id);
  if (given.key) request.set_key(*given.key);
  request.set_group(given.group);
  for (const std::string& status : given.statuses) request.add_statuses(status);
  const auto from = parse_bound("--from", given.from);
  if (!from.ok()) return from.error;
  request.set_from_us(from.value);
  const auto to = parse_bound("--to", given.to);
  if (!to.ok()) return to.error;
  request.set_to_us(to.value);
  return request;
}

constexpr size_t kWriteBytes = 64 * 1024;

// Every acked group of the topic: what it did, does or will do with the event.
client::Result<std::string> groups_json(client::Client& client, const EventAt& at) {
  const auto groups = client::list_groups(client);
  if (!groups.ok()) return groups.error;
  std::string json = "[";
  for (const proto::DescribeGroupOk& group : groups->groups()) {
    if (group.topic() != at.topic.name() || group.kind() != "acked") continue;
    const auto told = explain_event(client, group.group(), at);
    if (!told.ok()) return told.error;
    if (json.size() > 1) json += ',';
    JsonLine line(&json);
    explanation_fields(&line, group.group(), told.value);
    line.end();
    json.pop_back();  // the line's end
  }
  return json + "]";
}

}  // namespace

int list_events(const ConnectArguments& connect, const EventsArguments& given) {
  const auto request = request_of(given);
  if (!request.ok()) return report(request.error);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::vector<std::string> columns{"APPENDED", "TOPIC", "TYPE", "KEY", "ID"};
  if (!given.group.empty()) columns.push_back("STATUS");
  Table table(columns);
  std::string out;
  bool read = true;  // by somebody
  const auto taken = search_events(
      *client.value, request.value, given.count,
      [&](const proto::Topic& topic, const client::ReceivedEvent& event,
          const proto::FoundEvent& found) {
        if (connect.json) {
          append_event(&out, topic, event, true, found);
          if (out.size() >= kWriteBytes) read = print(std::exchange(out, {}));
          return read ? Error() : client::closed("standard output");
        }
        const storage::EventAttributes attributes = storage::read_attributes(event.record);
        std::vector<std::string> row{
            format_time_us(event.append_time_us), topic.name(), std::string(attributes.type),
            std::string(event.record.key.value_or("")), event_id(topic, event)};
        if (!given.group.empty()) row.push_back(found.status());
        table.row(std::move(row));
        return Error();
      });
  if (!read) return kDone;
  print(connect.json ? out : taken.ok() ? table.text() : "");
  return taken.ok() ? kDone : report(taken.error);
}

int get_event(const ConnectArguments& connect, const EventsArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::string out;
  const auto found = find_event(
      *client.value, given.id, given.topic,
      [&](const proto::Topic& topic, const client::ReceivedEvent& event, const auto& told) {
        JsonLine line(&out);
        event_fields(&line, topic, event, told);
        if (given.attempts) {
          const auto groups = groups_json(*client.value, {topic, event.partition, event.offset});
          if (!groups.ok()) return groups.error;
          line.raw("groups", groups.value);
        }
        line.end();
        return Error();
      });
  if (!found.ok()) return report(found.error);
  if (found.value) {
    print(out);
    return kDone;
  }
  std::fprintf(stderr, "headrace: no event has the id '%s'\n", given.id.c_str());
  return kFailed;
}

}  // namespace headrace::cli
