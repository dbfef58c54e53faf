// POST /v1/topics/{topic}/events: publishing over HTTP, in all modes of the CloudEvents binding.
#include "broker/admin/event_body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert_publish.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"
#include "storage/event_attributes.h"

namespace headrace::admin {
namespace {

// A publish on its way: what was asked, and which of a batch's events it holds.
struct Publishing {
  EventBody body;
  std::shared_ptr<proto::Publish> message = std::make_shared<proto::Publish>();
  std::string values;
  std::vector<int> place;  // by event of the body: its event in the message; -1: refused before
};

constexpr std::pair<std::string_view, proto::Durability> kLevels[] = {
    {"memory", proto::MEMORY}, {"written", proto::WRITTEN}, {"durable", proto::DURABLE}};

std::optional<proto::Durability> parse_level(std::string_view text) {
  for (const auto& [name, level] : kLevels) {
    if (name == text) return level;
  }
  return std::nullopt;
}

std::string_view level_name(proto::Durability wanted) {
  for (const auto& [name, level] : kLevels) {
    if (level == wanted) return name;
  }
  return "";
}

// The attributes of an event that is no CloudEvent.
void take_plain(Query* query, CloudEvent* event) {
  const auto take = [&](std::string_view parameter, std::string_view header) {
    const auto value = query->text(parameter);
    if (value) event->set_header(header, *value);
  };
  if (const auto id = query->text("id")) event->id = *id;
  take("type", storage::kHeaderType);
  take("source", storage::kHeaderSource);
  take("correlation_id", storage::kHeaderCorrelationId);
  for (const std::string& header : query->texts("header")) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0) {
      query->wrong("header", "'" + header + "' is not NAME=VALUE");
    } else {
      event->headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
    }
  }
}

core::Error read_query(const CallPtr& call, Publishing* publishing) {
  Query query(call->request());
  proto::Publish& message = *publishing->message;
  message.set_durability(
      query.form("durability", "memory, written or durable", parse_level).value_or(proto::DURABLE));
  message.set_atomic(query.boolean("atomic"));
  const auto partition = query.number("partition", 0, limits::kPartitionsPerTopic - 1);
  if (partition) message.set_partition(static_cast<uint32_t>(*partition));
  const auto delay_us = query.form("delay", kDurationExample, parse_duration_us);
  if (delay_us) message.set_delay_ms((*delay_us + kMicrosPerMilli - 1) / kMicrosPerMilli);
  if (const int64_t due_us = query.time_us("deliver_at")) message.set_due_us(due_us);
  if (const auto key = query.text("key")) {
    for (auto& one : publishing->body.events) one.event.key = *key;
  }
  if (publishing->body.mode == EventBody::Mode::plain) {
    take_plain(&query, &publishing->body.events.front().event);
  }
  return query.finish();
}

void add_event(const CloudEvent& event, Publishing* publishing) {
  proto::Event* to = publishing->message->add_events();
  if (event.key) to->set_key(*event.key);
  if (event.data) {
    to->set_value_size(static_cast<uint32_t>(event.data->size()));
    publishing->values += *event.data;
  }
  if (event.timestamp_ms) to->set_timestamp_ms(*event.timestamp_ms);
  to->set_id(event.id);
  for (const auto& [name, value] : event.headers) {
    proto::Header* header = to->add_headers();
    header->set_key(name);
    header->set_value(value);
  }
}

core::Error make_message(const CallPtr& call, Publishing* publishing) {
  publishing->message->set_topic(call->parameter("topic"));
  for (const BatchedEvent& one : publishing->body.events) {
    const bool sound = one.wrong.empty();
    publishing->place.push_back(sound ? publishing->message->events_size() : -1);
    if (sound) {
      add_event(one.event, publishing);
    } else if (publishing->message->atomic()) {
      return {core::ErrorCode::invalid_request,
              "events[" + std::to_string(publishing->place.size() - 1) + "]." + one.wrong};
    }
  }
  return {};
}

// ---- the answer

void ack_fields(JsonLine* line, const core::PublishEvents& published, const proto::PublishOk& ok,
                int i) {
  const proto::EventResult& result = ok.results(i);
  const int64_t time_ms = published.items[static_cast<size_t>(i)].fields.timestamp_ms;
  line->text("topic", published.topic->name).number("partition", result.partition());
  if (result.due_us() > 0) {
    line->null("offset");
  } else {
    line->number("offset", result.offset());
  }
  line->text("id", result.id())
      .text("time", format_time_ms(time_ms))
      .text("durability", level_name(ok.durability()));
  if (result.duplicate()) line->boolean("duplicate", true);
  if (result.due_us() > 0) line->text("due", format_time_us(result.due_us()));
}

void refusal_fields(JsonLine* line, const core::Error& error) {
  const auto& row = core::info(error.code);
  line->number("status", row.http_status).text("code", row.name).text("detail", error.message());
}

// 200: published before; 202: it waits for its time.
int status_of(const proto::EventResult& result) {
  if (result.due_us() > 0) return 202;
  return result.duplicate() ? 200 : 201;
}

void answer_one(const CallPtr& call, const core::PublishEvents& published,
                const proto::PublishOk& ok) {
  if (published.items[0].error) return call->fail(published.items[0].error);
  std::string body;
  JsonLine line(&body);
  ack_fields(&line, published, ok, 0);
  line.end();
  call->reply(status_of(ok.results(0)), std::move(body));
}

// In the order of the batch. 207: not all of them are in the log.
void answer_batch(const CallPtr& call, const Publishing& publishing,
                  const core::PublishEvents& published, const proto::PublishOk& ok) {
  JsonRows rows;
  int status = 200;
  for (size_t i = 0; i < publishing.place.size(); ++i) {
    const int place = publishing.place[i];
    core::Error error;
    if (place < 0) {
      error = {core::ErrorCode::invalid_request, publishing.body.events[i].wrong};
    } else {
      error = published.items[static_cast<size_t>(place)].error;
    }
    if (error) {
      status = 207;
    } else if (status != 207) {
      status = std::max(status, status_of(ok.results(place)));
    }
    rows.add([&](JsonLine* line) {
      if (error) return refusal_fields(line, error);
      ack_fields(line, published, ok, place);
    });
  }
  std::string body;
  JsonLine(&body).raw("results", rows.text()).end();
  call->reply(status, std::move(body));
}

using PublishingPtr = std::shared_ptr<Publishing>;

void answer_published(const CallPtr& call, const PublishingPtr& publishing,
                      const core::PublishEvents& published) {
  proto::PublishOk ok;
  native::to_proto(published, *publishing->message, &ok);
  if (publishing->body.mode == EventBody::Mode::batch) {
    return answer_batch(call, *publishing, published, ok);
  }
  answer_one(call, published, ok);
}

void publish_to(const CallPtr& call, const PublishingPtr& publishing, const core::TopicPtr& topic) {
  auto request = std::make_unique<core::PublishEvents>(call->tenant());
  request->topic = topic;
  request->shard = topic->shard;
  if (publishing->message->events_size() == 0) {  // an empty batch, or nothing in it is sound
    return answer_published(call, publishing, *request);
  }
  const size_t message_size = publishing->message->ByteSizeLong();
  core::Error error =
      native::check_publish(*publishing->message, message_size, publishing->values.size(),
                            call->admin().options().max_batch_bytes);
  if (!error) {
    error = native::from_proto(
        publishing->message, SharedBytes::copy_of(publishing->values), call->now_us(),
        [&call] { return call->admin().next_lane(); }, request.get());
  }
  if (error) return call->refuse(error);
  if (!native::any_sound(*request)) return answer_published(call, publishing, *request);
  call->ask<core::PublishEvents>(std::move(request),
                                 [call, publishing](core::PublishEvents& published) {
                                   answer_published(call, publishing, published);
                                 });
}

}  // namespace

void publish_event(const CallPtr& call) {
  auto publishing = std::make_shared<Publishing>();
  core::Error error = read_events(call->request(), &publishing->body);
  if (!error) error = read_query(call, publishing.get());
  if (!error) error = make_message(call, publishing.get());
  if (!error && call->admin().draining()) error = core::Error(core::ErrorCode::shutting_down);
  if (!error && call->parameter("topic") == core::kSystemTopic) {
    error = {core::ErrorCode::invalid_request, "topic: only the broker publishes to '$sys'"};
  }
  if (error) return call->fail(error);
  call->name_fields({{"delay_ms and due_us", "delay and deliver_at"},
                     {"delay_ms, due_us", "delay, deliver_at"},
                     {"delay_ms", "delay"},
                     {"due_us", "deliver_at"}});
  call->with_topic(call->parameter("topic"), [call, publishing](const core::TopicPtr& topic) {
    publish_to(call, publishing, topic);
  });
}

}  // namespace headrace::admin
