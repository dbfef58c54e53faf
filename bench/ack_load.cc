#include "bench/ack_load.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "bench/wire.h"
#include "storage/batch.h"

namespace headrace::bench {

namespace native = net::native;

namespace {

constexpr uint32_t kSubscription = 1;
constexpr uint32_t kSubscribe = 1;  // request id; acks count on from there

struct Ack {
  uint32_t request = 0;
  uint64_t events = 0;
  int64_t sent_us = 0;
  SharedBytes frame;  // kept until it is confirmed, so until it has left
};

struct Member {
  Wire wire;
  SharedBytes subscribe;
  std::deque<Ack> acks;  // unconfirmed, oldest first
  uint32_t last_request = kSubscribe;
};

class Acknowledger {
 public:
  explicit Acknowledger(const AckPlan& plan) : plan_(plan) {}

  LoadResult run();

 private:
  client::Error open();
  client::Error loop();
  client::Error take(Member* member, const native::FrameHeader& header,
                     std::span<const std::byte> message, std::span<const std::byte> payload);
  client::Error take_delivery(Member* member, std::span<const std::byte> message,
                              std::span<const std::byte> payload);
  client::Error confirm(Member* member, uint32_t request, std::span<const std::byte> message);

  const AckPlan& plan_;
  std::vector<Member> members_;
  LoadResult result_;
  metrics::Histogram latency_;
};

client::Error Acknowledger::open() {
  proto::SubscribeGroup request;
  request.set_subscription(kSubscription);
  request.set_group(plan_.group);
  request.set_window_events(plan_.window_events);
  members_.resize(plan_.connections);
  for (Member& member : members_) {
    if (client::Error error = member.wire.open(plan_.server, plan_.tenant)) return error;
    member.subscribe =
        native::encode_frame(native::MessageType::subscribe_group, 0, kSubscribe, request, 0);
    member.wire.queue(member.subscribe.span());
  }
  return {};
}

client::Error Acknowledger::take(Member* member, const native::FrameHeader& header,
                                 std::span<const std::byte> message,
                                 std::span<const std::byte> payload) {
  if (header.type == static_cast<uint16_t>(native::MessageType::group_delivery)) {
    return take_delivery(member, message, payload);
  }
  if (header.request_id == kSubscribe) return {};
  return confirm(member, header.request_id, message);
}

client::Error Acknowledger::take_delivery(Member* member, std::span<const std::byte> message,
                                          std::span<const std::byte> payload) {
  proto::GroupDelivery delivery;
  if (!delivery.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return client::bad_reply("not a delivery");
  }
  for (const uint32_t size : delivery.batch_sizes()) {
    storage::BatchHeader batch;
    if (size > payload.size() ||
        storage::check_header(payload.first(size), &batch) != storage::BatchError::ok) {
      return client::bad_reply("the broker sent a damaged batch");
    }
    payload = payload.subspan(size);
    result_.bytes += size;
  }
  proto::Settle settle;
  settle.set_subscription(kSubscription);
  Ack ack;
  for (const auto& range : delivery.acquired()) {
    proto::Outcome* outcome = settle.add_outcomes();
    outcome->set_partition(delivery.partition());
    outcome->set_lane(delivery.lane());
    outcome->set_first_offset(range.first_offset());
    outcome->set_last_offset(range.last_offset());
    outcome->set_attempt(range.attempt());
    ack.events += static_cast<uint64_t>(range.last_offset() - range.first_offset() + 1);
  }
  ack.request = ++member->last_request;
  ack.frame = native::encode_frame(native::MessageType::settle, 0, ack.request, settle, 0);
  ack.sent_us = mono_us();
  member->wire.queue(ack.frame.span());
  member->acks.push_back(std::move(ack));
  return {};
}

client::Error Acknowledger::confirm(Member* member, uint32_t request,
                                    std::span<const std::byte> message) {
  proto::SettleOk reply;
  auto ack = std::find_if(member->acks.begin(), member->acks.end(),
                          [&](const Ack& one) { return one.request == request; });
  if (ack == member->acks.end() ||
      !reply.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return client::bad_reply("not a reply to an ack");
  }
  for (const uint32_t code : reply.error_codes()) {
    if (code != 0) {
      return {code, "not_taken", "an ack was refused with error " + std::to_string(code), false, 0};
    }
  }
  result_.events += ack->events;
  latency_.record(mono_us() - ack->sent_us);
  member->acks.erase(ack);
  return {};
}

client::Error Acknowledger::loop() {
  std::vector<Wire*> wires;
  for (Member& member : members_) wires.push_back(&member.wire);
  while (result_.events < plan_.events) {
    client::Error error =
        exchange_frames(wires, [&](size_t i, const auto& header, auto message, auto payload) {
          return take(&members_[i], header, message, payload);
        });
    if (error) return error;
  }
  return {};
}

LoadResult Acknowledger::run() {
  result_.error = open();
  if (result_.error) return result_;
  const int64_t started_us = mono_us();
  result_.error = loop();
  result_.duration_us = std::max<int64_t>(1, mono_us() - started_us);
  result_.latency = latency_.snapshot();
  return result_;
}

}  // namespace

LoadResult ack_load(const AckPlan& plan) {
  return Acknowledger(plan).run();
}

}  // namespace headrace::bench
