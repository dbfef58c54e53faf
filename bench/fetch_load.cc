#include "bench/fetch_load.h"

#include <algorithm>

#include "bench/wire.h"
#include "storage/batch.h"

namespace headrace::bench {

namespace native = net::native;

namespace {

struct Reading {
  uint32_t partition = 0;
  FetchPlan::Range range;
  int64_t next = 0;
  int64_t asked_us = 0;
};

class Reader {
 public:
  explicit Reader(const FetchPlan& plan) : plan_(plan) {
    for (uint32_t partition = 0; partition < plan.ranges.size(); ++partition) {
      const FetchPlan::Range& range = plan.ranges[partition];
      if (range.end > range.first) readings_.push_back({partition, range, range.first, 0});
    }
  }

  LoadResult run();

 private:
  client::Error loop();
  void ask(Wire* wire, uint32_t index);
  client::Error take(Wire* wire, const native::FrameHeader& header,
                     std::span<const std::byte> message, std::span<const std::byte> payload);

  const FetchPlan& plan_;
  std::vector<Reading> readings_;  // by index = request id - 1
  std::vector<Wire> wires_;
  std::vector<SharedBytes> requests_;  // kept until they have left
  uint32_t asking_ = 0;
  LoadResult result_;
  metrics::Histogram latency_;
};

void Reader::ask(Wire* wire, uint32_t index) {
  proto::Fetch request;
  request.set_topic(plan_.topic);
  request.set_partition(readings_[index].partition);
  request.set_offset(readings_[index].next);
  request.set_max_bytes(plan_.fetch_bytes);
  request.set_min_bytes(1);
  request.set_wait_ms(5'000);
  requests_[index] = native::encode_frame(native::MessageType::fetch, 0, index + 1, request, 0);
  wire->queue(requests_[index].span());
  readings_[index].asked_us = mono_us();
  ++asking_;
}

client::Error Reader::take(Wire* wire, const native::FrameHeader& header,
                           std::span<const std::byte> message, std::span<const std::byte> payload) {
  const uint32_t index = header.request_id - 1;
  proto::FetchOk reply;
  if (index >= readings_.size() ||
      !reply.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return client::bad_reply("not a reply to a fetch");
  }
  --asking_;
  Reading& reading = readings_[index];
  latency_.record(mono_us() - reading.asked_us);
  for (const uint32_t size : reply.batch_sizes()) {
    storage::BatchHeader batch;
    if (size > payload.size() ||
        storage::check_header(payload.first(size), &batch) != storage::BatchError::ok) {
      return client::bad_reply("the broker sent a damaged batch");
    }
    payload = payload.subspan(size);
    if (batch.base_offset > reading.next) return client::bad_reply("offsets are missing");
    const int64_t end = batch.base_offset + batch.record_count;
    result_.events += static_cast<uint64_t>(std::max<int64_t>(0, end - reading.next));
    result_.bytes += size;
    reading.next = std::max(reading.next, end);
  }
  if (reading.next >= reading.range.end) reading.next = reading.range.first;
  if (result_.events < plan_.events) ask(wire, index);
  return {};
}

client::Error Reader::loop() {
  for (uint32_t index = 0; index < readings_.size(); ++index) {
    ask(&wires_[index % wires_.size()], index);
  }
  std::vector<Wire*> wires;
  for (Wire& wire : wires_) wires.push_back(&wire);
  while (asking_ > 0) {
    client::Error error =
        exchange_frames(wires, [&](size_t i, const auto& header, auto message, auto payload) {
          return take(wires[i], header, message, payload);
        });
    if (error) return error;
  }
  return {};
}

LoadResult Reader::run() {
  requests_.resize(readings_.size());
  wires_.reserve(plan_.connections);
  for (uint32_t i = 0; i < plan_.connections; ++i) {
    result_.error = wires_.emplace_back().open(plan_.connect);
    if (result_.error) return result_;
  }
  const int64_t started_us = mono_us();
  result_.error = loop();
  result_.duration_us = std::max<int64_t>(1, mono_us() - started_us);
  result_.latency = latency_.snapshot();
  return result_;
}

}  // namespace

LoadResult fetch_load(const FetchPlan& plan) {
  return Reader(plan).run();
}

}  // namespace headrace::bench
