// subscribe: takes an acked group's events; acks them, or as a command decides.
#include <algorithm>
#include <atomic>
#include <cstdio>

#include "client/cli/event_line.h"
#include "client/cli/run_command.h"
#include "client/cli/session.h"
#include "client/cli/stopped_group.h"
#include "client/cli/verbs.h"
#include "client/subscriber.h"

namespace headrace::cli {

namespace {

constexpr uint32_t kWindowDefault = 500;
constexpr uint32_t kExecWindowDefault = 1;  // what waits for a slow command, others could handle

using Variables = std::vector<std::pair<std::string, std::string>>;

// grade-level → HEADRACE_HEADER_GRADE_LEVEL
std::string variable_name(std::string_view header) {
  std::string name = "HEADRACE_HEADER_";
  for (const char c : header) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return name;
}

Variables variables_of(const std::string& group, const proto::Topic& topic,
                       const client::Delivered& delivered) {
  const client::ReceivedEvent& event = delivered.event;
  const storage::EventAttributes attributes = storage::read_attributes(event.record);
  const std::string id = event_id(topic, event);
  const auto& correlation = attributes.correlation_id;
  Variables variables = {
      {"HEADRACE_GROUP", group},
      {"HEADRACE_TOPIC", topic.name()},
      {"HEADRACE_PARTITION", std::to_string(event.partition)},
      {"HEADRACE_OFFSET", std::to_string(event.offset)},
      {"HEADRACE_ATTEMPT", std::to_string(delivered.attempt)},
      {"HEADRACE_LANE", std::to_string(delivered.lane)},
      {"HEADRACE_ID", id},
      {"HEADRACE_TYPE", std::string(attributes.type)},
      {"HEADRACE_SOURCE", std::string(attributes.source)},
      {"HEADRACE_TIME", event_time(attributes, event.record.timestamp_ms)},
      {"HEADRACE_CONTENT_TYPE", std::string(attributes.content_type)},
      {"HEADRACE_CORRELATION_ID", correlation.empty() ? id : std::string(correlation)},
      {"HEADRACE_CAUSATION_ID", std::string(attributes.causation_id)},
      {"HEADRACE_KEY", std::string(event.record.key.value_or(""))},
  };
  if (delivered.lane != 0) {
    variables.emplace_back("HEADRACE_REPLAYED", "true");
    variables.emplace_back("HEADRACE_JOB", group + "/" + std::to_string(delivered.lane));
  }
  for (const storage::HeaderView& header : attributes.others) {
    if (header.value) variables.emplace_back(variable_name(header.key), *header.value);
  }
  return variables;
}

class Handling {
 public:
  Handling(const ConnectArguments& connect, const SubscribeArguments& given)
      : connect_(connect), given_(given) {}

  void on_settled(const client::Settled& settled) {
    if (!settled.error) {
      confirmed_ += static_cast<uint64_t>(settled.last_offset - settled.first_offset + 1);
      return;
    }
    std::fprintf(stderr, "headrace: the outcome of partition %u, offset %lld was not taken: %s\n",
                 settled.partition, static_cast<long long>(settled.first_offset),
                 settled.error.message.c_str());
  }

  client::Error run(client::Subscriber* subscriber, StoppedGroup* stopped);
  bool broken() const { return broken_; }

 private:
  uint64_t wanted() const { return given_.count > 0 ? given_.count : UINT64_MAX; }
  bool handle(client::Subscriber* subscriber, const client::Delivered& delivered);
  void print_line(const proto::Topic& topic, const client::Delivered& delivered,
                  const char* outcome);
  void print_all(client::Subscriber* subscriber);

  const ConnectArguments& connect_;
  const SubscribeArguments& given_;
  std::atomic<uint64_t> confirmed_{0};
  std::string out_;
  std::vector<client::Delivered> printed_;  // in out_, acked once that is written
  bool broken_ = false;                     // nobody reads standard output any more
};

// The line is written before its outcome is sent: what nobody has seen comes again.
bool Handling::handle(client::Subscriber* subscriber, const client::Delivered& delivered) {
  if (given_.command.empty()) {
    print_line(subscriber->topic(), delivered, "ack");
    printed_.push_back(delivered);
    if (out_.size() >= kPrintBytes) print_all(subscriber);
    return true;
  }
  const CommandResult result =
      run_command(given_.command, delivered.event.record.value.value_or(""),
                  variables_of(given_.group, subscriber->topic(), delivered), connect_.json);
  if (!result.ok && result.interrupted && interrupted()) {
    subscriber->release(delivered);
    return false;
  }
  if (connect_.json) {
    print_line(subscriber->topic(), delivered, result.ok ? "ack" : "nack");
    broken_ = !print(out_);
    out_.clear();
  } else if (!result.ok) {
    std::fprintf(stderr, "headrace: partition %u, offset %lld, attempt %u: %s\n",
                 delivered.event.partition, static_cast<long long>(delivered.event.offset),
                 delivered.attempt, result.error.c_str());
  }
  if (result.ok) {
    subscriber->ack(delivered);
  } else {
    subscriber->nack(delivered, result.error);
  }
  return true;
}

void Handling::print_line(const proto::Topic& topic, const client::Delivered& delivered,
                          const char* outcome) {
  if (!connect_.json) return append_event(&out_, topic, delivered.event, false);
  JsonLine line(&out_);
  event_fields(&line, topic, delivered.event);
  line.number("attempt", delivered.attempt).text("outcome", outcome);
  if (delivered.lane != 0) {
    line.boolean("replayed", true).text("job", given_.group + "/" + std::to_string(delivered.lane));
  }
  line.end();
}

void Handling::print_all(client::Subscriber* subscriber) {
  broken_ = broken_ || !print(out_);
  out_.clear();
  for (const client::Delivered& delivered : std::exchange(printed_, {})) {
    if (!broken_) subscriber->ack(delivered);
  }
}

client::Error Handling::run(client::Subscriber* subscriber, StoppedGroup* stopped) {
  uint64_t handled = 0;
  int64_t quiet_since_us = client::Loop::now_us();
  while (!interrupted() && !broken_) {
    if (handled >= wanted()) {
      // Outcomes that were not taken do not count: their events come again.
      print_all(subscriber);
      const client::Error error = subscriber->flush();
      handled = confirmed_;
      if (handled >= wanted()) return {};
      if (error.is_unreachable() && error.code != client::kCodeConnectionLost) return error;
    }
    auto polled = subscriber->poll(0);
    if (polled.ok() && !polled.value) {
      if (!printed_.empty()) {
        // Its reader may have taken longer than the wait, and only these outcomes make room for
        // more: the wait begins here.
        print_all(subscriber);
        quiet_since_us = client::Loop::now_us();
      }
      const int64_t quiet_ms = (client::Loop::now_us() - quiet_since_us) / 1000;
      const int64_t left_ms = given_.wait_ms < 0 ? kInterruptPollMs : given_.wait_ms - quiet_ms;
      stopped->quiet_for(quiet_ms);
      polled = subscriber->poll(std::clamp<int64_t>(left_ms, 1, kInterruptPollMs));
      if (polled.ok() && !polled.value && left_ms <= 0) return {};
    }
    if (!polled.ok()) return polled.error;
    if (!polled.value) continue;
    if (handle(subscriber, *polled.value)) ++handled;
    quiet_since_us = client::Loop::now_us();
  }
  print_all(subscriber);
  return {};
}

}  // namespace

int subscribe(const ConnectArguments& connect, const SubscribeArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  catch_interrupts();
  Handling handling(connect, given);
  client::SubscriberOptions options;
  options.group = given.group;
  const uint32_t usual = given.command.empty() ? kWindowDefault : kExecWindowDefault;
  options.window_events = given.window_events > 0 ? given.window_events : usual;
  // More than are wanted would be taken from the other members for nothing.
  if (given.count > 0 && given.count < options.window_events) {
    options.window_events = static_cast<uint32_t>(given.count);
  }
  auto subscriber = client::Subscriber::open(
      *client.value, options,
      [&handling](const client::Settled& settled) { handling.on_settled(settled); });
  if (!subscriber.ok()) return report(subscriber.error);
  StoppedGroup stopped(client.value.get(), given.group);
  stopped.look();
  const client::Error error = handling.run(subscriber.value.get(), &stopped);
  if (error.is_unreachable()) return report(error);  // nothing left to say goodbye to
  const client::Error closed = subscriber.value->close();
  if (error) return report(error);
  // An outcome that came too late has been reported, and its event comes again.
  return closed.is_unreachable() ? report(closed) : int{kDone};
}

}  // namespace headrace::cli
