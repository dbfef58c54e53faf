// publish: one event from --data, or an event a line from standard input.
#include <unistd.h>

#include <chrono>

#include "client/admin.h"
#include "client/cli/ack_printer.h"
#include "client/cli/line_reader.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "client/cloud_event.h"
#include "client/names.h"
#include "client/partitioner.h"
#include "client/producer.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// What the flags say of every event.
client::Result<client::OutgoingEvent> event_of(const PublishArguments& arguments) {
  client::OutgoingEvent event;
  event.key = arguments.key;
  event.id = arguments.id;
  event.set_header(client::kHeaderType, arguments.type);
  event.set_header(client::kHeaderSource, arguments.source);
  event.set_header(client::kHeaderContentType, arguments.content_type);
  event.set_header(client::kHeaderCorrelationId, arguments.correlation_id);
  for (const std::string& header : arguments.headers) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0) {
      return client::bad_argument("--header: '" + header + "' is not NAME=VALUE");
    }
    event.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
  }
  return event;
}

client::Error check(const PublishArguments& arguments) {
  if (!arguments.deliver_at.empty() && !parse_time_us(arguments.deliver_at)) {
    return client::bad_argument("--deliver-at: '" + arguments.deliver_at +
                                "' is no time like 2026-11-22T10:00:00Z");
  }
  if (arguments.cloud_events && arguments.data) {
    return client::bad_argument("--cloudevents reads standard input: leave out --data");
  }
  if (arguments.cloud_events) {
    for (const auto& [flag, value] : {std::pair("--type", &arguments.type),
                                      {"--source", &arguments.source},
                                      {"--id", &arguments.id},
                                      {"--content-type", &arguments.content_type},
                                      {"--correlation-id", &arguments.correlation_id}}) {
      if (value->empty()) continue;
      return client::bad_argument(std::string("--cloudevents: each line has its own attributes: ") +
                                  "leave out " + flag);
    }
  }
  if (!arguments.id.empty() && !arguments.data) {
    return client::bad_argument("--id is for one event: it needs --data");
  }
  return {};
}

// One event by the single-event message, folded by the broker with what else arrives.
int publish_one(client::Client& client, const ConnectArguments& connect,
                const PublishArguments& arguments, client::OutgoingEvent event) {
  const auto topic = client::find_topic(client, arguments.topic);
  if (!topic.ok()) return report(topic.error);
  const auto producer = client::init_producer(client);
  if (!producer.ok()) return report(producer.error);
  uint32_t partition = arguments.partition.value_or(0);
  if (!arguments.partition && event.key) {
    partition = client::partition_of(*event.key, topic->partitions());
  } else if (!arguments.partition) {
    partition = static_cast<uint32_t>(now_ms()) % topic->partitions();
  }
  proto::Publish request;
  request.set_topic(arguments.topic);
  request.set_partition(partition);
  request.set_durability(client::to_wire(*client::parse_durability(arguments.durability)));
  request.set_producer_id(producer->producer_id());
  request.set_producer_epoch(producer->producer_epoch());
  if (arguments.delay_ms) request.set_delay_ms(*arguments.delay_ms);
  if (!arguments.deliver_at.empty()) request.set_due_us(*parse_time_us(arguments.deliver_at));
  proto::Event* wire = request.add_events();
  if (event.key) wire->set_key(*event.key);
  wire->set_value_size(static_cast<uint32_t>(event.data->size()));
  event.timestamp_ms = now_ms();
  wire->set_timestamp_ms(event.timestamp_ms);
  wire->set_id(event.id);
  for (const auto& [name, value] : event.headers) {
    proto::Header* header = wire->add_headers();
    header->set_key(name);
    if (value) header->set_value(*value);
  }
  const auto reply = client::publish(client, request, SharedBytes::copy_of(*event.data));
  if (!reply.ok()) return report(reply.error);
  if (reply->results_size() != 1) return report(client::bad_reply("not one result for one event"));
  const proto::EventResult& result = reply->results(0);
  if (result.error_code() != 0) {
    return report({result.error_code(), "", result.error(), false, 0});
  }
  AckPrinter printer(arguments.topic, reply->topic_id(), connect.json);
  const uint64_t token = printer.add(result.id(), event.timestamp_ms);
  client::Acked acked;
  acked.partition = result.partition();
  acked.base_offset = result.offset();
  acked.durability = client::from_wire(reply->durability());
  acked.tokens = {&token, 1};
  acked.due_us = result.due_us();
  acked.duplicate = result.duplicate();
  acked.ids = {&result.id(), 1};
  printer.acked(acked);
  printer.finish();
  return kDone;
}

// Feeds the producer line by line; the first error of any kind ends it.
client::Error feed(LineReader* lines, client::Producer* producer, AckPrinter* printer,
                   const PublishArguments& arguments, client::OutgoingEvent event) {
  std::vector<storage::HeaderField> fields;
  uint64_t number = 0;
  while (!interrupted() && !printer->broken()) {
    const auto line = lines->next();
    if (!line) break;
    ++number;
    if (arguments.cloud_events) {
      if (line->empty()) continue;
      auto parsed = client::parse_cloud_event(*line, now_ms());
      if (!parsed.ok()) {
        return client::bad_argument("line " + std::to_string(number) + ": " + parsed.error.message);
      }
      if (arguments.key) parsed->key = arguments.key;
      for (const auto& header : event.headers) parsed->headers.push_back(header);
      const uint64_t token = printer->add(parsed->id, parsed->timestamp_ms);
      client::Error error = producer->publish(parsed->view(&fields), token, arguments.partition);
      if (error) return error;
      continue;
    }
    event.timestamp_ms = now_ms();
    storage::EventFields view = event.view(&fields);
    view.value = *line;
    const uint64_t token = printer->add({}, event.timestamp_ms);
    client::Error error = producer->publish(view, token, arguments.partition);
    if (error) return error;
  }
  if (!lines->error().empty()) return client::bad_argument("standard input: " + lines->error());
  return {};
}

int publish_lines(client::Client& client, const ConnectArguments& connect,
                  const PublishArguments& arguments, client::OutgoingEvent event) {
  client::ProducerOptions options;
  options.topic = arguments.topic;
  options.durability = *client::parse_durability(arguments.durability);
  options.codec = *storage::parse_codec(arguments.codec);
  options.batch_bytes = arguments.batch_bytes;
  options.linger_ms = arguments.linger_ms;
  options.delay_ms = arguments.delay_ms;
  if (!arguments.deliver_at.empty()) options.due_us = parse_time_us(arguments.deliver_at);
  AckPrinter* printing = nullptr;
  auto producer = client::Producer::open(
      client, options, [&printing](const client::Acked& acked) { printing->acked(acked); });
  if (!producer.ok()) return report(producer.error);
  AckPrinter printer(arguments.topic, producer.value->topic().id(), connect.json);
  printing = &printer;
  catch_interrupts();
  LineReader lines(STDIN_FILENO);
  const client::Error fed =
      feed(&lines, producer.value.get(), &printer, arguments, std::move(event));
  const client::Error flushed = producer.value->flush();
  const bool read = printer.finish();
  producer.value.reset();  // before the printer: no acknowledgement may come after it
  if (fed) return report(fed);
  if (flushed) return report(flushed);
  return read && !interrupted() ? kDone : kFailed;
}

}  // namespace

int publish(const ConnectArguments& connect, const PublishArguments& arguments) {
  if (const client::Error error = check(arguments)) return report(error);
  auto event = event_of(arguments);
  if (!event.ok()) return report(event.error);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  if (!arguments.data) {
    return publish_lines(*client.value, connect, arguments, std::move(event.value));
  }
  event->data = arguments.data;
  return publish_one(*client.value, connect, arguments, std::move(event.value));
}

}  // namespace headrace::cli
