#include "client/cli/event_line.h"

namespace headrace::cli {

namespace {

EventView view_of(const proto::Topic& topic, const client::ReceivedEvent& event) {
  return {.topic = topic.name(),
          .topic_id = topic.id(),
          .partition = event.partition,
          .offset = event.offset,
          .append_time_us = event.append_time_us,
          .epoch = event.epoch,
          .record = event.record};
}

}  // namespace

void event_fields(JsonLine* line, const proto::Topic& topic, const client::ReceivedEvent& event,
                  const proto::FoundEvent& found) {
  EventView view = view_of(topic, event);
  view.status = found.status();
  view.violation = found.schema_violation();
  headrace::event_fields(line, view);
}

std::string event_id(const proto::Topic& topic, const client::ReceivedEvent& event) {
  return headrace::event_id(view_of(topic, event), storage::read_attributes(event.record));
}

void append_event(std::string* out, const proto::Topic& topic, const client::ReceivedEvent& event,
                  bool json, const proto::FoundEvent& found) {
  if (!json) {
    if (event.record.value) *out += *event.record.value;
    *out += '\n';
    return;
  }
  JsonLine line(out);
  event_fields(&line, topic, event, found);
  line.end();
}

}  // namespace headrace::cli
