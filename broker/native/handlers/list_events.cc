// list_events: a search through the history of one topic, or of all, newest first.
#include <algorithm>
#include <charconv>
#include <map>

#include "broker/core/api_history.h"
#include "broker/limits.h"
#include "broker/native/decode.h"
#include "broker/native/handlers.h"
#include "broker/native/session.h"

namespace headrace::native {
namespace {

using core::ErrorCode;

// One partition that is searched.
struct Part {
  core::TopicPtr topic;
  PartitionId partition;
  Offset before{INT64_MAX};
  std::unique_ptr<core::FindEvents> answer;
  size_t used = 0;  // of its events

  // Where its next page goes on; 0: there is nothing more.
  Offset next() const {
    const auto& events = answer->events;
    if (used < events.size()) return used == 0 ? before : events[used - 1].offset;
    return answer->more ? answer->searched_to : Offset(0);
  }
};

struct Gathering {
  net::native::FrameHeader header;
  uint32_t page_size = 0;
  std::vector<Part> parts;
  size_t missing = 0;
};

using Places = std::map<std::pair<uint32_t, uint32_t>, int64_t>;

// TOPIC.PARTITION.BEFORE, separated by commas.
bool parse_cursor(std::string_view text, Places* places) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    uint32_t topic = 0;
    uint32_t partition = 0;
    int64_t before = 0;
    const char* end = one.data() + one.size();
    auto at = std::from_chars(one.data(), end, topic);
    if (at.ec != std::errc() || at.ptr == end || *at.ptr != '.') return false;
    at = std::from_chars(at.ptr + 1, end, partition);
    if (at.ec != std::errc() || at.ptr == end || *at.ptr != '.') return false;
    at = std::from_chars(at.ptr + 1, end, before);
    if (at.ec != std::errc() || at.ptr != end || before < 0) return false;
    (*places)[{topic, partition}] = before;
  }
  return true;
}

std::string cursor_of(const std::vector<Part>& parts) {
  std::string text;
  bool more = false;
  for (const Part& part : parts) {
    more = more || part.next() > Offset(0);
    if (!text.empty()) text += ',';
    text += std::to_string(part.topic->id.value()) + "." + std::to_string(part.partition.value()) +
            "." + std::to_string(part.next().value());
  }
  return more ? text : "";
}

core::Error query_of(const proto::ListEvents& message, core::EventQuery* query) {
  core::FilterSpec spec;
  spec.patterns = {message.types().begin(), message.types().end()};
  for (int i = 0; i < message.conditions_size(); ++i) {
    core::Condition condition;
    if (core::Error error = core::parse_condition(message.conditions(i), &condition)) {
      error.detail = "conditions[" + std::to_string(i) + "]: " + error.detail;
      return error;
    }
    spec.conditions.push_back(std::move(condition));
  }
  if (core::Error error = core::Filter::compile(spec, &query->filter)) return error;
  query->id = message.id();
  query->correlation_id = message.correlation_id();
  if (message.has_key()) query->key = message.key();
  query->from_us = message.from_us();
  if (message.to_us() != 0) query->to_us = message.to_us();
  if (query->from_us < 0 || query->to_us <= query->from_us) {
    return {ErrorCode::invalid_request, "to_us: not after from_us"};
  }
  return {};
}

core::Error parts_of(Session& session, const std::string& wanted, std::vector<Part>* parts) {
  const auto add = [&](const core::TopicPtr& topic) {
    for (uint32_t i = 0; i < topic->partitions; ++i) {
      parts->push_back({topic, PartitionId(i), Offset(INT64_MAX), nullptr, 0});
    }
  };
  if (!wanted.empty()) {
    core::Error error;
    const auto topic = session.topic(wanted, &error);
    if (topic != nullptr) add(topic);
    return error;
  }
  for (const auto& [name, topic] : session.reactor().catalog()->topics) {
    if (name.first != session.tenant().tenant()) continue;
    if (topic->state == core::Topic::State::active) add(topic);
  }
  if (parts->size() <= limits::kSearchPartitions) return {};
  return {ErrorCode::invalid_request, "topic: name one, there are " +
                                          std::to_string(parts->size()) +
                                          " partitions and a search goes through at most " +
                                          std::to_string(limits::kSearchPartitions)};
}

// The newest of all partitions, as many as the page and a frame hold.
void answer(Session& to, Gathering& gathering) {
  proto::ListEventsOk ok;
  std::string values;
  size_t message_bytes = 0;
  while (ok.events_size() < static_cast<int>(gathering.page_size)) {
    Part* newest = nullptr;
    for (Part& part : gathering.parts) {
      if (part.used == part.answer->events.size()) continue;
      if (newest == nullptr || part.answer->events[part.used].append_time_us >
                                   newest->answer->events[newest->used].append_time_us) {
        newest = &part;
      }
    }
    if (newest == nullptr) break;
    const core::FoundEvent& found = newest->answer->events[newest->used];
    proto::FoundEvent row;
    std::string value;
    std::string scratch;
    row.set_topic(newest->topic->name);
    row.set_topic_id(newest->topic->id.value());
    row.set_partition(newest->partition.value());
    const core::Error error = for_each_record(
        found.event, &scratch, [&](const storage::BatchHeader& header, const auto& record) {
          fill_event(record, found.offset, found.append_time_us, Epoch(header.leader_epoch),
                     row.mutable_event(), &value);
        });
    if (error) return to.fail(gathering.header, error);
    const size_t size = row.ByteSizeLong();
    const bool full = message_bytes + size > net::native::kMaxMessageSize / 2 ||
                      values.size() + value.size() > limits::kPageBytes;
    if (full && ok.events_size() > 0) break;
    message_bytes += size;
    values += value;
    ++newest->used;
    *ok.add_events() = std::move(row);
  }
  ok.set_cursor(cursor_of(gathering.parts));
  std::vector<SharedBytes> payload;
  if (!values.empty()) payload.push_back(SharedBytes::copy_of(values));
  to.reply(gathering.header, ok, std::move(payload));
}

}  // namespace

void handle_list_events(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListEvents message;
  if (!session.parse(frame, &message)) return;
  auto query = std::make_shared<core::EventQuery>();
  auto gathering = std::make_shared<Gathering>();
  gathering->header = header;
  gathering->page_size = message.page_size() == 0 ? limits::kPageSizeDefault : message.page_size();
  Places places;
  core::Error error = query_of(message, query.get());
  if (!error && gathering->page_size > limits::kPageSizeMax) {
    error = {ErrorCode::invalid_request,
             "page_size: at most " + std::to_string(limits::kPageSizeMax)};
  }
  if (!error && !parse_cursor(message.cursor(), &places)) {
    error = {ErrorCode::invalid_request, "cursor: none that this broker has given out"};
  }
  if (!error) error = parts_of(session, message.topic(), &gathering->parts);
  if (error) return session.fail(header, error);
  gathering->missing = gathering->parts.size();
  if (gathering->parts.empty()) return session.reply(header, proto::ListEventsOk());
  for (size_t i = 0; i < gathering->parts.size(); ++i) {
    Part& part = gathering->parts[i];
    const auto place = places.find({part.topic->id.value(), part.partition.value()});
    if (place != places.end()) part.before = Offset(place->second);
    auto request = std::make_unique<core::FindEvents>(session.tenant());
    request->topic = part.topic;
    request->shard = part.topic->shard;
    request->partition = part.partition;
    request->query = query;
    request->before = part.before;
    request->page_size = gathering->page_size;
    session.ask(std::move(request), 0, [gathering, i](Session& to, core::RequestPtr reply) {
      auto* typed = &core::as<core::FindEvents>(*reply);
      reply.release();
      gathering->parts[i].answer.reset(typed);
      if (--gathering->missing > 0) return;
      for (const Part& one : gathering->parts) {
        if (one.answer->error) return to.fail(gathering->header, one.answer->error);
      }
      answer(to, *gathering);
    });
  }
}

}  // namespace headrace::native
