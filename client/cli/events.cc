// events ls / get: what is in the log.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "client/admin.h"
#include "client/cli/event_line.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

using client::Error;

client::Result<int64_t> parse_time(const char* flag, const std::string& text) {
  if (text.empty()) return int64_t{0};
  if (const auto time_us = parse_time_us(text)) return *time_us;
  return client::bad_argument(std::string(flag) + ": '" + text + "' is no RFC 3339 time");
}

client::Result<proto::ListEvents> request_of(const EventsArguments& given) {
  proto::ListEvents request;
  request.set_topic(given.topic);
  for (const std::string& type : given.types) request.add_types(type);
  for (const std::string& condition : given.conditions) request.add_conditions(condition);
  request.set_id(given.id);
  request.set_correlation_id(given.correlation_id);
  if (given.key) request.set_key(*given.key);
  const auto from = parse_time("--from", given.from);
  if (!from.ok()) return from.error;
  request.set_from_us(from.value);
  const auto to = parse_time("--to", given.to);
  if (!to.ok()) return to.error;
  request.set_to_us(to.value);
  return request;
}

// Prints or tabulates one event, whose value is the first of `values`.
Error take_event(const proto::FoundEvent& found, std::string_view* values, bool json,
                 std::string* out, Table* table) {
  const size_t size = found.event().value_size();
  if (size > values->size()) return client::bad_reply("events: sizes exceed the payload");
  const auto batch =
      client::receive_event(found.partition(), found.event(), values->substr(0, size));
  values->remove_prefix(size);
  if (!batch.ok()) return batch.error;
  client::EventReader reader(batch.value);
  client::ReceivedEvent event;
  if (!reader.next(&event)) return reader.error();
  proto::Topic topic;
  topic.set_name(found.topic());
  topic.set_id(found.topic_id());
  if (json) {
    append_event(out, topic, event, true);
  } else {
    const client::EventAttributes attributes = client::read_attributes(event.record);
    table->row({format_time_us(event.append_time_us), found.topic(), std::string(attributes.type),
                std::string(event.record.key.value_or("")), event_id(topic, event)});
  }
  return {};
}

// Pages until `count` events are taken; how many there were.
client::Result<uint64_t> list(client::Client& client, proto::ListEvents request, uint64_t count,
                              bool json, Table* table) {
  uint64_t taken = 0;
  do {
    request.set_page_size(static_cast<uint32_t>(std::min<uint64_t>(count - taken, 100)));
    SharedBytes payload;
    const auto page = client::list_events(client, request, &payload);
    if (!page.ok()) return page.error;
    std::string_view values = payload.view();
    std::string out;
    for (const proto::FoundEvent& found : page->events()) {
      if (const Error error = take_event(found, &values, json, &out, table)) return error;
      ++taken;
    }
    if (!print(out)) return taken;
    request.set_cursor(page->cursor());
  } while (!request.cursor().empty() && taken < count);
  return taken;
}

struct Place {
  uint32_t topic = 0;
  uint32_t partition = 0;
  int64_t offset = 0;
};

// tTOPIC-PARTITION-OFFSET[@EPOCH]: the id of an event that was published without one.
std::optional<Place> parse_computed_id(std::string_view id) {
  Place place;
  const char* at = id.data() + 1;
  const char* const end = id.data() + id.size();
  const auto number = [&](auto* value, bool last) {
    const auto parsed = std::from_chars(at, end, *value);
    if (parsed.ec != std::errc()) return false;
    at = parsed.ptr;
    if (last) return at == end || *at == '@';
    return at != end && *at++ == '-';
  };
  if (id.size() < 6 || id[0] != 't') return std::nullopt;
  if (!number(&place.topic, false) || !number(&place.partition, false)) return std::nullopt;
  if (!number(&place.offset, true)) return std::nullopt;
  return place;
}

// The event at a place whose id is `id`; false: there is none (any more).
client::Result<bool> print_at(client::Client& client, const Place& place, const std::string& id) {
  const auto topics = client::metadata(client);
  if (!topics.ok()) return topics.error;
  for (const proto::Topic& topic : topics->topics()) {
    if (topic.id() != place.topic || place.partition >= topic.partitions()) continue;
    proto::Fetch request;
    request.set_topic(topic.name());
    request.set_partition(place.partition);
    request.set_offset(place.offset);
    request.set_max_bytes(1);
    SharedBytes payload;
    const auto fetched = client::fetch(client, request, &payload);
    if (fetched.error.code == client::kErrorOffsetOutOfRange) return false;
    if (!fetched.ok()) return fetched.error;
    if (fetched->batch_sizes().empty()) return false;
    const auto batch = client::receive_batch(
        place.partition, payload.slice(0, fetched->batch_sizes(0)), fetched->append_times_us(0));
    if (!batch.ok()) return batch.error;
    client::EventReader reader(batch.value);
    client::ReceivedEvent event;
    while (reader.next(&event)) {
      if (event.offset != place.offset || event_id(topic, event) != id) continue;
      std::string out;
      append_event(&out, topic, event, true);
      print(out);
      return true;
    }
    return reader.error() ? client::Result<bool>(reader.error()) : false;
  }
  return false;
}

}  // namespace

int list_events(const ConnectArguments& connect, const EventsArguments& given) {
  const auto request = request_of(given);
  if (!request.ok()) return report(request.error);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  Table table({"APPENDED", "TOPIC", "TYPE", "KEY", "ID"});
  const auto taken = list(*client.value, request.value, given.count, connect.json, &table);
  if (!taken.ok()) return report(taken.error);
  if (!connect.json) print(table.text());
  return kDone;
}

int get_event(const ConnectArguments& connect, const EventsArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  if (const auto place = parse_computed_id(given.id)) {
    const auto printed = print_at(*client.value, *place, given.id);
    if (!printed.ok()) return report(printed.error);
    if (printed.value) return kDone;
  }
  const auto request = request_of(given);
  if (!request.ok()) return report(request.error);
  const auto taken = list(*client.value, request.value, 1, true, nullptr);
  if (!taken.ok()) return report(taken.error);
  if (taken.value > 0) return kDone;
  std::fprintf(stderr, "headrace: no event has the id '%s'\n", given.id.c_str());
  return kFailed;
}

}  // namespace headrace::cli
