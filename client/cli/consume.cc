// consume: a topic from a position, or as a member of a positional group.
#include <chrono>

#include "client/cli/event_line.h"
#include "client/cli/position.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "client/consumer.h"

namespace headrace::cli {

namespace {

// Prints a batch, at most `limit` events. Handled is only what was printed.
client::Error print_batch(const ConnectArguments& connect, client::Consumer* consumer,
                          const client::ReceivedBatch& batch, uint64_t limit, uint64_t* printed,
                          bool* broken) {
  std::string out;
  client::EventReader reader(batch);
  client::ReceivedEvent event;
  int64_t next_offset = -1;
  while (*printed < limit && reader.next(&event)) {
    append_event(&out, consumer->topic(), event, connect.json);
    next_offset = event.offset + 1;
    ++*printed;
    if (out.size() < kPrintBytes) continue;
    *broken = !print(out);
    if (*broken) return {};
    consumer->handled(batch.partition, next_offset);
    out.clear();
  }
  *broken = !print(out);
  if (!*broken && next_offset >= 0) consumer->handled(batch.partition, next_offset);
  return reader.error();
}

client::Error run(const ConnectArguments& connect, const ConsumeArguments& arguments,
                  client::Consumer* consumer, bool* broken) {
  const uint64_t limit = arguments.count > 0 ? arguments.count : UINT64_MAX;
  uint64_t printed = 0;
  int64_t quiet_since_us = client::Loop::now_us();
  while (printed < limit && !interrupted() && !*broken) {
    // Joining a group may take its time; the wait is for events.
    if (!consumer->assigned()) quiet_since_us = client::Loop::now_us();
    int64_t wait_ms = kInterruptPollMs;
    if (arguments.wait_ms >= 0) {
      const int64_t quiet_ms = (client::Loop::now_us() - quiet_since_us) / 1000;
      if (quiet_ms >= arguments.wait_ms && quiet_ms > 0) return {};
      wait_ms = std::clamp<int64_t>(arguments.wait_ms - quiet_ms, 1, kInterruptPollMs);
    }
    auto polled = consumer->poll(wait_ms);
    if (!polled.ok()) return polled.error;
    if (!polled.value) continue;
    const client::Error error =
        print_batch(connect, consumer, *polled.value, limit, &printed, broken);
    if (error) return error;
    quiet_since_us = client::Loop::now_us();
  }
  return {};
}

}  // namespace

int consume(const ConnectArguments& connect, const ConsumeArguments& arguments) {
  client::ConsumerOptions options;
  options.topic = arguments.topic;
  options.group = arguments.group;
  options.push = arguments.push;
  const auto from = parse_position(arguments.from);
  if (!from.ok()) return report(from.error);
  options.from = from.value;
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  catch_interrupts();
  const auto consumer = client::Consumer::open(*client.value, options);
  if (!consumer.ok()) return report(consumer.error);
  bool broken = false;
  const client::Error error = run(connect, arguments, consumer.value.get(), &broken);
  if (error.is_unreachable()) return report(error);  // nothing left to say goodbye to
  const client::Error closed = consumer.value->close();
  if (error) return report(error);
  if (closed) return report(closed);
  return kDone;
}

}  // namespace headrace::cli
