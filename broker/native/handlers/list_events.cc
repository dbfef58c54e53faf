// list_events: a search through the history of one topic, or of all, newest first.
#include "broker/limits.h"
#include "broker/native/decode.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_events.h"
#include "broker/native/handlers/find_group.h"
#include "broker/native/session.h"

namespace headrace::native {
namespace {

struct EventsGathering {
  net::native::FrameHeader header;
  EventSearch search;
  size_t missing = 0;
};

core::Error topics_of(Session& session, const std::string& wanted,
                      std::vector<core::TopicPtr>* topics) {
  if (!wanted.empty()) {
    core::Error error;
    const auto topic = session.topic(wanted, &error);
    if (topic != nullptr) topics->push_back(topic);
    return error;
  }
  for (const auto& [name, topic] : session.reactor().catalog()->topics) {
    if (name.first != session.tenant().tenant()) continue;
    // System events are looked for by the topic's name.
    if (topic->name == core::kSystemTopic || session.may(topic->name)) continue;
    if (topic->state == core::Topic::State::active) topics->push_back(topic);
  }
  return {};
}

core::Error fill_row(const SearchPart& part, const core::FoundEvent& found, proto::FoundEvent* row,
                     std::string* value) {
  std::string scratch;
  row->set_topic(part.topic->name);
  row->set_topic_id(part.topic->id.value());
  row->set_partition(part.partition.value());
  row->set_status(std::string(part.status()));
  row->set_schema_violation(found.violation);
  return for_each_record(found.event, &scratch,
                         [&](const storage::BatchHeader& header, const auto& record) {
                           fill_event(record, found.offset, found.append_time_us,
                                      Epoch(header.leader_epoch), row->mutable_event(), value);
                         });
}

// The newest of all partitions, as many as the page and a frame hold.
void answer(Session& to, EventsGathering& gathering) {
  proto::ListEventsOk ok;
  std::string values;
  size_t message_bytes = 0;
  const auto take = [&](const SearchPart& part, const core::FoundEvent& found, Taken* taken) {
    proto::FoundEvent row;
    std::string value;
    if (core::Error error = fill_row(part, found, &row, &value)) return error;
    const size_t size = row.ByteSizeLong();
    const bool full = message_bytes + size > net::native::kMaxMessageSize / 2 ||
                      values.size() + value.size() > limits::kPageBytes;
    if (full && ok.events_size() > 0) {
      *taken = Taken::full;
      return core::Error();
    }
    message_bytes += size;
    values += value;
    *ok.add_events() = std::move(row);
    return core::Error();
  };
  if (const core::Error error = take_newest(&gathering.search, take)) {
    return to.fail(gathering.header, error);
  }
  ok.set_cursor(cursor_of(gathering.search));
  std::vector<SharedBytes> payload;
  if (!values.empty()) payload.push_back(SharedBytes::copy_of(values));
  to.reply(gathering.header, ok, std::move(payload));
}

}  // namespace

void handle_list_events(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListEvents message;
  if (!session.parse(frame, &message)) return;
  auto gathering = std::make_shared<EventsGathering>();
  gathering->header = header;
  std::vector<core::TopicPtr> topics;
  core::Error error;
  if (message.group().empty()) {
    error = topics_of(session, message.topic(), &topics);
  } else {
    const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
    if (!found) return;
    if (!message.topic().empty() && message.topic() != found->topic->name) {
      error = core::Error(core::ErrorCode::group_topic_mismatch,
                          "topic: '" + message.group() + "' is of '" + found->topic->name + "'");
    }
    topics.push_back(found->topic);
    gathering->search.group = found->group;
  }
  if (!error) error = from_proto(message, topics, &gathering->search);
  if (error) return session.fail(header, error);
  auto& parts = gathering->search.parts;
  gathering->missing = parts.size();
  if (parts.empty()) return session.reply(header, proto::ListEventsOk());
  for (size_t i = 0; i < parts.size(); ++i) {
    auto request = make_request(gathering->search, parts[i], session.tenant());
    session.ask(std::move(request), 0, [gathering, i](Session& to, core::RequestPtr reply) {
      take_answer(std::move(reply), &gathering->search.parts[i]);
      if (--gathering->missing == 0) answer(to, *gathering);
    });
  }
}

}  // namespace headrace::native
