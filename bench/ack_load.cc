#include "bench/ack_load.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <thread>
#include <utility>
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
  bool parked = false;  // events were failed by it
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
  void park(const proto::AcquiredRange& range, uint32_t partition, proto::Settle* settle);
  void note_late(const proto::AcquiredRange& range, uint32_t partition);
  void hold_rate();
  client::Error confirm(Member* member, uint32_t request, std::span<const std::byte> message);

  const AckPlan& plan_;
  std::vector<Member> members_;
  std::map<uint32_t, std::vector<int64_t>> due_us_;  // by partition, then offset; 0: not parked
  uint64_t parked_before_ = 0;
  uint64_t came_ = 0;  // for the first time
  int64_t started_us_ = 0;
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
    if (client::Error error = member.wire.open(plan_.connect)) return error;
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

void Acknowledger::park(const proto::AcquiredRange& range, uint32_t partition,
                        proto::Settle* settle) {
  std::vector<int64_t>& due = due_us_[partition];
  const auto end = static_cast<size_t>(range.last_offset()) + 1;
  if (due.size() < end) due.resize(end + 65'536);
  std::fill(due.begin() + range.first_offset(), due.begin() + static_cast<int64_t>(end),
            mono_us() + plan_.park_ms * 1000);
  came_ += static_cast<uint64_t>(range.last_offset() - range.first_offset() + 1);
  proto::Outcome* outcome = settle->add_outcomes();
  outcome->set_partition(partition);
  outcome->set_first_offset(range.first_offset());
  outcome->set_last_offset(range.last_offset());
  outcome->set_attempt(range.attempt());
  outcome->set_verdict(proto::NACK);
  outcome->set_delay_ms(plan_.park_ms);
}

void Acknowledger::note_late(const proto::AcquiredRange& range, uint32_t partition) {
  const int64_t now_us = mono_us();
  for (int64_t at = range.first_offset(); at <= range.last_offset(); ++at) {
    latency_.record(std::max<int64_t>(0, now_us - due_us_[partition][static_cast<size_t>(at)]));
  }
}

void Acknowledger::hold_rate() {
  if (plan_.parked_per_s <= 0 || came_ >= plan_.events) return;
  const double due_us = static_cast<double>(came_) * 1e6 / plan_.parked_per_s;
  const int64_t left_us = started_us_ + static_cast<int64_t>(due_us) - mono_us();
  if (left_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(left_us));
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
    if (plan_.live)
      latency_.record(std::max<int64_t>(0, wall_ms() - batch.max_timestamp_ms) * 1000);
    result_.bytes += size;
  }
  proto::Settle settle;
  settle.set_subscription(kSubscription);
  Ack ack;
  if (plan_.park_ms > 0) hold_rate();
  for (const auto& range : delivery.acquired()) {
    if (plan_.park_ms > 0 && range.attempt() == 1) {
      park(range, delivery.partition(), &settle);
      continue;
    }
    if (plan_.park_ms > 0) note_late(range, delivery.partition());
    proto::Outcome* outcome = settle.add_outcomes();
    outcome->set_partition(delivery.partition());
    outcome->set_lane(delivery.lane());
    outcome->set_first_offset(range.first_offset());
    outcome->set_last_offset(range.last_offset());
    outcome->set_attempt(range.attempt());
    ack.events += static_cast<uint64_t>(range.last_offset() - range.first_offset() + 1);
  }
  if (plan_.park_ms > 0) {
    ack.events = 0;
    for (const auto& outcome : settle.outcomes()) {
      ack.parked = ack.parked || outcome.verdict() == proto::NACK;
      if (outcome.verdict() != proto::ACK) continue;
      ack.events += static_cast<uint64_t>(outcome.last_offset() - outcome.first_offset() + 1);
    }
  }
  ack.request = ++member->last_request;
  ack.frame = native::encode_frame(native::MessageType::settle, 0, ack.request, settle, 0);
  ack.sent_us = mono_us();
  member->wire.queue(ack.frame.span());
  member->acks.push_back(std::move(ack));
  // What it waits for at its rate must not wait with it.
  return plan_.park_ms > 0 ? member->wire.flush() : client::Error{};
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
  if (ack->parked) {
    if (client::Error error = plan_.revive()) return error;
    if (came_ == plan_.events && std::exchange(parked_before_, came_) != came_) plan_.all_parked();
  }
  if (plan_.park_ms == 0 && !plan_.live) latency_.record(mono_us() - ack->sent_us);
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
  started_us_ = mono_us();
  result_.error = loop();
  result_.duration_us = std::max<int64_t>(1, mono_us() - started_us_);
  result_.latency = latency_.snapshot();
  return result_;
}

}  // namespace

LoadResult ack_load(const AckPlan& plan) {
  return Acknowledger(plan).run();
}

}  // namespace headrace::bench
