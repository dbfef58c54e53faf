#include "bench/load.h"

#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "bench/batch_pool.h"
#include "bench/wire.h"
#include "client/names.h"

namespace headrace::bench {

namespace native = net::native;

namespace {

int64_t thread_cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
         usage.ru_stime.tv_usec;
}

struct Slot {
  SharedBytes head;  // frame header and message; sealed once, the payload is not under its CRC
  size_t batch = 0;  // of the pool; nobody else's
  int64_t since_us = 0;
};

struct Lane {
  Wire wire;
  std::vector<Slot> slots;     // request id = index + 1
  std::vector<uint32_t> free;  // indices
  uint64_t next_batch = 0;     // number of this lane's next batch in the schedule
};

class Generator {
 public:
  explicit Generator(const LoadPlan& plan)
      : plan_(plan),
        pool_(size_t{plan.connections} * plan.slots, plan.event_bytes, plan.batch_bytes, plan.seed,
              plan.types, plan.json_type),
        batches_wanted_((plan.events + pool_.events_per_batch() - 1) / pool_.events_per_batch()) {
    if (plan.events_per_s > 0) us_per_batch_ = pool_.events_per_batch() * 1e6 / plan.events_per_s;
  }

  LoadResult run();

 private:
  client::Error open();
  client::Error loop();
  client::Error wait();
  void send_due(Lane* lane, uint32_t index, int64_t now_us);
  bool finished() const {
    return acked_ + refused_ == sent_ && (sent_ == batches_wanted_ || stopped());
  }
  bool stopped() const {
    return plan_.stop != nullptr && plan_.stop->load(std::memory_order_relaxed);
  }
  // When the lane's next batch is due; batches are dealt to the lanes in turn.
  int64_t due_us(const Lane& lane, uint32_t index) const {
    const auto number = static_cast<double>(lane.next_batch * lanes_.size() + index);
    return started_us_ + static_cast<int64_t>(number * us_per_batch_);
  }

  const LoadPlan& plan_;
  BatchPool pool_;
  const uint64_t batches_wanted_;
  double us_per_batch_ = 0;
  std::vector<Lane> lanes_;
  uint64_t sent_ = 0;
  uint64_t acked_ = 0;
  uint64_t refused_ = 0;
  uint64_t of_first_type_ = 0;
  uint64_t bytes_ = 0;
  int64_t started_us_ = 0;
  int64_t next_due_us_ = 0;
  metrics::Histogram latency_;
};

client::Error Generator::open() {
  lanes_.reserve(plan_.connections);
  for (uint32_t index = 0; index < plan_.connections; ++index) {
    Lane& lane = lanes_.emplace_back();
    if (client::Error error = lane.wire.open(plan_.connect)) return error;
    if (plan_.refusals_are_fine) {
      lane.wire.on_refusal([this, &lane](const native::FrameHeader& header) {
        const uint32_t slot = header.request_id - 1;
        if (slot >= lane.slots.size()) return false;
        lane.free.push_back(slot);
        ++refused_;
        return true;
      });
    }
    proto::PublishBatch request;
    request.set_topic(plan_.topic);
    request.set_partition(index % plan_.partitions);
    request.set_durability(client::to_wire(plan_.durability));
    for (uint32_t i = 0; i < plan_.slots; ++i) {
      const size_t batch = size_t{index} * plan_.slots + i;
      const auto size = static_cast<uint32_t>(pool_.stamp(batch, 0).size());
      lane.slots.push_back(
          {native::encode_frame(native::MessageType::publish_batch, 0, i + 1, request, size), batch,
           0});
      lane.free.push_back(i);
    }
  }
  return {};
}

void Generator::send_due(Lane* lane, uint32_t index, int64_t now_us) {
  while (!lane->free.empty() && sent_ < batches_wanted_ && !stopped()) {
    const int64_t due = due_us(*lane, index);
    if (due > now_us) {
      next_due_us_ = std::min(next_due_us_, due);
      return;
    }
    Slot& slot = lane->slots[lane->free.back()];
    lane->free.pop_back();
    slot.since_us = us_per_batch_ > 0 ? due : now_us;
    const auto batch = pool_.stamp(slot.batch, wall_ms());
    lane->wire.queue(slot.head.span());
    lane->wire.queue(batch);
    bytes_ += batch.size();
    ++lane->next_batch;
    ++sent_;
  }
}

client::Error Generator::wait() {
  std::vector<pollfd> entries;
  for (const Lane& lane : lanes_) {
    const int events = POLLIN | (lane.wire.has_output() ? POLLOUT : 0);
    entries.push_back({lane.wire.fd(), static_cast<short>(events), 0});
  }
  const int64_t wait_us = std::clamp<int64_t>(next_due_us_ - mono_us(), 0, 10'000'000);
  const timespec timeout{wait_us / 1'000'000, wait_us % 1'000'000 * 1000};
  const int ready = ppoll(entries.data(), entries.size(), &timeout, nullptr);
  if (ready == 0 && wait_us == 10'000'000) return client::no_reply("no reply within 10 s");
  const int64_t now_us = mono_us();
  for (size_t i = 0; i < entries.size(); ++i) {
    if ((entries[i].revents & ~POLLOUT) == 0) continue;
    Lane& lane = lanes_[i];
    client::Error error = lane.wire.receive([&](const native::FrameHeader& header, auto, auto) {
      const uint32_t slot = header.request_id - 1;
      if (slot >= lane.slots.size()) return client::bad_reply("a reply to nothing");
      latency_.record(now_us - lane.slots[slot].since_us);
      lane.free.push_back(slot);
      of_first_type_ += pool_.of_first_type(lane.slots[slot].batch);
      ++acked_;
      return client::Error{};
    });
    if (error) return error;
  }
  return {};
}

client::Error Generator::loop() {
  while (!finished()) {
    const int64_t now_us = mono_us();
    next_due_us_ = now_us + 10'000'000;
    for (uint32_t index = 0; index < lanes_.size(); ++index) {
      send_due(&lanes_[index], index, now_us);
      if (client::Error error = lanes_[index].wire.flush()) return error;
    }
    if (finished()) break;
    if (client::Error error = wait()) return error;
  }
  return {};
}

LoadResult Generator::run() {
  LoadResult result;
  result.error = open();
  if (result.error) return result;
  const int64_t cpu_before_us = thread_cpu_us();
  started_us_ = mono_us();
  result.error = loop();
  result.duration_us = std::max<int64_t>(1, mono_us() - started_us_);
  result.cpu_us = thread_cpu_us() - cpu_before_us;
  result.events = acked_ * pool_.events_per_batch();
  result.of_first_type = of_first_type_;
  result.refused = refused_;
  result.bytes = sent_ == 0 ? 0 : bytes_ / sent_ * acked_;
  result.latency = latency_.snapshot();
  return result;
}

}  // namespace

LoadResult publish_load(const LoadPlan& plan) {
  return Generator(plan).run();
}

}  // namespace headrace::bench
