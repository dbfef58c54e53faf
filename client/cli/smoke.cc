// smoke: one event of every kind through a topic of its own: publish, consume, compare, commit by a
// group; ack, retry, dead letter and redrive by another; delete. Exit 0 says that the broker does
// its job.
#include <algorithm>
#include <chrono>
#include <random>

#include "client/admin.h"
#include "client/cli/session.h"
#include "client/cli/smoke_handlers.h"
#include "client/cli/verbs.h"
#include "client/cloud_event.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "json/json_line.h"

namespace headrace::cli {

namespace {

using client::Error;

std::string unique_name() {
  std::random_device random;
  char name[40];
  std::snprintf(name, sizeof(name), "smoke-%08x%08x", random(), random());
  return name;
}

// Every form of key and value that must be kept apart.
std::vector<client::OutgoingEvent> sample_events() {
  std::vector<client::OutgoingEvent> events(5);
  events[0].data = "plain text";
  events[1].data = "";
  events[1].key = "";
  events[2].key = "only a key";  // null data
  events[3].data = std::string("\0\xff binary \n", 11);
  events[3].headers = {{"empty", ""}, {"null", std::nullopt}};
  events[4].data = std::string(100'000, 'x');
  events[4].id = "smoke-id";
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].timestamp_ms = 1'700'000'000'000 + static_cast<int64_t>(i);
    events[i].set_header(client::kHeaderType, "smoke.event.sent");
  }
  return events;
}

Error publish(client::Client& client, const std::string& topic,
              const std::vector<client::OutgoingEvent>& events) {
  client::ProducerOptions options;
  options.topic = topic;
  auto producer = client::Producer::open(client, options, [](const client::Acked&) {});
  if (!producer.ok()) return producer.error;
  std::vector<storage::HeaderField> fields;
  for (const auto& event : events) {
    if (Error error = producer.value->publish(event.view(&fields), 0, 0)) return error;
  }
  return producer.value->flush();
}

Error compare(const client::OutgoingEvent& sent, const client::ReceivedEvent& got) {
  const std::string where = "event at offset " + std::to_string(got.offset);
  const auto same = [](const auto& a, const auto& b) {
    return a.has_value() == b.has_value() && a.value_or("") == b.value_or("");
  };
  if (!same(sent.key, got.record.key)) return mismatch(where + " has another key");
  if (!same(sent.data, got.record.value)) return mismatch(where + " has other data");
  if (sent.timestamp_ms != got.record.timestamp_ms) return mismatch(where + " has another time");
  std::vector<storage::HeaderField> fields;
  const storage::EventFields expected = sent.view(&fields);
  std::vector<storage::HeaderView> headers;
  storage::for_each_header(got.record,
                           [&](const storage::HeaderView& header) { headers.push_back(header); });
  const auto equal = [&](const storage::HeaderField& field, const storage::HeaderView& header) {
    return field.key == header.key && same(field.value, header.value);
  };
  if (!std::ranges::equal(expected.headers, headers, equal)) {
    return mismatch(where + " has other headers");
  }
  return {};
}

Error consume(client::Client& client, const std::string& topic, const std::string& group, bool push,
              const std::vector<client::OutgoingEvent>& events) {
  client::ConsumerOptions options;
  options.topic = topic;
  options.group = group;
  options.push = push;
  auto consumer = client::Consumer::open(client, options);
  if (!consumer.ok()) return consumer.error;
  size_t index = 0;
  const int64_t deadline_us = client::Loop::now_us() + kSmokeWaitMs * 1000;
  while (index < events.size()) {
    const int64_t left_ms = (deadline_us - client::Loop::now_us()) / 1000;
    if (left_ms <= 0) return mismatch("only " + std::to_string(index) + " events came back");
    auto batch = consumer.value->poll(left_ms);
    if (!batch.ok()) return batch.error;
    if (!batch.value) continue;
    client::EventReader reader(*batch.value);
    client::ReceivedEvent event;
    while (reader.next(&event)) {
      if (index == events.size()) return mismatch("more events came back than were sent");
      if (event.offset != static_cast<int64_t>(index)) return mismatch("offsets are not dense");
      if (Error error = compare(events[index++], event)) return error;
    }
    if (Error error = reader.error()) return error;
    consumer.value->handled(0, event.offset + 1);
  }
  return consumer.value->close();
}

Error check_commit(client::Client& client, const std::string& group, size_t events) {
  const auto described = client::describe_group(client, group);
  if (!described.ok()) return described.error;
  if (described->partitions_size() != 1 ||
      described->partitions(0).committed() != static_cast<int64_t>(events)) {
    return mismatch("the group's commit is not where it was put");
  }
  if (described->lag_events() != 0) return mismatch("the group lags after reading everything");
  return {};
}

struct Step {
  const char* name;
  std::function<Error()> run;
};

}  // namespace

int smoke(const ConnectArguments& connect) {
  const auto made = make_client(connect);
  if (!made.ok()) return report(made.error);
  client::Client& client = *made.value;
  const std::string name = unique_name();
  const std::vector<client::OutgoingEvent> events = sample_events();
  SmokeHandlers handlers(&client, name, name + "-handlers", events.size());
  bool created = false;
  bool joined = false;
  const Step steps[] = {
      {"create topic",
       [&] {
         proto::CreateTopic request;
         request.set_name(name);
         const Error error = client::create_topic(client, request).error;
         created = !error;
         return error;
       }},
      {"publish", [&] { return publish(client, name, events); }},
      {"consume by fetching", [&] { return consume(client, name, "", false, events); }},
      {"consume by push", [&] { return consume(client, name, "", true, events); }},
      {"consume and commit as a group",
       [&] {
         joined = true;
         return consume(client, name, name, false, events);
       }},
      {"check the commit", [&] { return check_commit(client, name, events.size()); }},
      {"declare an acked group", [&] { return handlers.declare(); }},
      {"ack, retry and reject", [&] { return handlers.ack_and_retry(); }},
      {"find the dead letter", [&] { return handlers.dead_letter(); }},
      {"redrive it", [&] { return handlers.redrive(); }},
  };
  Error failed;
  std::string out;
  const auto line = [&](const char* step, const Error& error) {
    if (connect.json) {
      JsonLine row(&out);
      row.text("check", step).text("result", error ? "FAIL" : "PASS");
      if (error) row.text("error", error.message);
      row.end();
    } else {
      out += std::string(error ? "FAIL  " : "PASS  ") + step + "\n";
    }
  };
  for (const Step& step : steps) {
    failed = step.run();
    line(step.name, failed);
    if (failed) break;
  }
  if (const Error error = handlers.leave(); !failed) {
    line("leave and delete the acked group", failed = error);
  }
  if (joined) {
    const Error error = client::delete_group(client, name).error;
    if (!failed) line("delete group", failed = error);
  }
  if (created) {
    const Error error = client::delete_topic(client, name).error;
    if (!failed) line("delete topic", failed = error);
  }
  print(out);
  return failed ? report(failed) : int{kDone};
}

}  // namespace headrace::cli
