#include "client/cli/find_event.h"

#include <algorithm>
#include <charconv>

#include "client/cli/event_line.h"

namespace headrace::cli {

using client::Error;

// ---- by what they were published with

namespace {

// Takes one event, whose value is the first of `values`.
Error take_found(const proto::FoundEvent& found, std::string_view* values, const TakeEvent& take) {
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
  return take(topic, event, found);
}

}  // namespace

client::Result<uint64_t> search_events(client::Client& client, proto::ListEvents request,
                                       uint64_t count, const TakeEvent& take) {
  uint64_t taken = 0;
  do {
    request.set_page_size(static_cast<uint32_t>(std::min<uint64_t>(count - taken, 100)));
    SharedBytes payload;
    const auto page = client::list_events(client, request, &payload);
    if (!page.ok()) return page.error;
    std::string_view values = payload.view();
    for (const proto::FoundEvent& found : page->events()) {
      if (const Error error = take_found(found, &values, take)) return error;
      ++taken;
    }
    request.set_cursor(page->cursor());
  } while (!request.cursor().empty() && taken < count);
  return taken;
}

// ---- by id

std::optional<ComputedId> parse_computed_id(std::string_view id) {
  ComputedId place;
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

namespace {

// The topic of a computed id; nullopt: there is none (any more), or not with that partition.
client::Result<std::optional<proto::Topic>> topic_of(client::Client& client, const ComputedId& id) {
  const auto topics = client::metadata(client);
  if (!topics.ok()) return topics.error;
  for (const proto::Topic& topic : topics->topics()) {
    if (topic.id() == id.topic && id.partition < topic.partitions()) return std::optional(topic);
  }
  return std::optional<proto::Topic>();
}

// The event at a place whose id is `id`; false: there is none (any more).
client::Result<bool> take_at(client::Client& client, const ComputedId& place, const std::string& id,
                             const TakeEvent& take) {
  const auto topic = topic_of(client, place);
  if (!topic.ok()) return topic.error;
  if (!topic.value) return false;
  proto::Fetch request;
  request.set_topic(topic.value->name());
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
    if (event.offset != place.offset || event_id(*topic.value, event) != id) continue;
    if (const Error error = take(*topic.value, event, {})) return error;
    return true;
  }
  return reader.error() ? client::Result<bool>(reader.error()) : false;
}

}  // namespace

client::Result<bool> find_event(client::Client& client, const std::string& id,
                                const std::string& topic, const TakeEvent& take) {
  if (const auto place = parse_computed_id(id)) {
    const auto taken = take_at(client, *place, id, take);
    if (!taken.ok() || taken.value) return taken;
  }
  proto::ListEvents request;
  request.set_topic(topic);
  request.set_id(id);
  const auto taken = search_events(client, request, 1, take);
  if (!taken.ok()) return taken.error;
  return taken.value > 0;
}

client::Result<std::optional<EventAt>> locate_event(client::Client& client, const std::string& id,
                                                    const std::string& topic) {
  std::optional<EventAt> at;
  const auto found =
      find_event(client, id, topic,
                 [&](const proto::Topic& of, const client::ReceivedEvent& event, const auto&) {
                   at = EventAt{of, event.partition, event.offset};
                   return Error();
                 });
  if (!found.ok()) return found.error;
  const auto computed = parse_computed_id(id);
  if (found.value || !computed) return at;
  // The log may have lost it while a group still has it.
  const auto of = topic_of(client, *computed);
  if (!of.ok()) return of.error;
  if (of.value) at = EventAt{*of.value, computed->partition, computed->offset};
  return at;
}

}  // namespace headrace::cli
