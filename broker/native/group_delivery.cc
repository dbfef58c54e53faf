#include "broker/native/group_delivery.h"

#include <algorithm>
#include <utility>

#include "broker/native/decode.h"
#include "net/native/frame.h"

namespace headrace::native {
namespace {

// A frame of decoded events is closed at one of these; a single event may exceed the second.
constexpr size_t kDecodedFrameBytes = net::native::kMaxMessageSize / 2;
constexpr size_t kDecodedPayloadBytes = 1u << 20;

// Upper bound of what the event adds to the message, which its value is no part of.
size_t message_size(const storage::RecordView& record) {
  constexpr size_t kEvent = 128;  // offset, times, range; tags and lengths
  constexpr size_t kHeader = 16;
  // A damaged byte of a header's name becomes three.
  return kEvent + (record.key ? record.key->size() : 0) + 3 * record.headers_raw.size() +
         kHeader * static_cast<size_t>(record.header_count);
}

class Builder {
 public:
  Builder(uint32_t subscription, const core::Acquire& acquired)
      : subscription_(subscription), acquired_(acquired) {}

  void add_whole(const core::StoredBatch& batch, const std::vector<core::AcquiredRange>& ranges) {
    if (!open_ || decoded_ || payload_bytes_ + batch.bytes.size() > net::native::kMaxPayloadSize) {
      open(false);
    }
    GroupFrame& frame = out.frames.back();
    const auto index = static_cast<uint32_t>(frame.payload.size());
    frame.message.add_batch_sizes(static_cast<uint32_t>(batch.bytes.size()));
    frame.message.add_append_times_us(batch.append_time_us);
    frame.payload.push_back(batch.bytes);
    payload_bytes_ += batch.bytes.size();
    for (const auto& range : ranges) add_range(range.first, range.last, range.attempt, index);
  }

  void add_event(const storage::RecordView& record, Offset offset, uint32_t attempt, Epoch epoch,
                 int64_t append_time_us) {
    const size_t size = message_size(record);
    if (!open_ || !decoded_ || message_bytes_ + size > kDecodedFrameBytes ||
        values_.size() >= kDecodedPayloadBytes) {
      open(true);
    }
    message_bytes_ += size;
    proto::GroupDelivery& message = out.frames.back().message;
    const auto index = static_cast<uint32_t>(message.events_size());
    fill_event(record, offset, append_time_us, epoch, message.add_events(), &values_);
    add_range(offset, offset, attempt, index);
  }

  void close() {
    if (open_ && !values_.empty()) {
      out.frames.back().payload.push_back(SharedBytes::copy_of(values_));
    }
    values_.clear();
    open_ = false;
  }

  GroupFrames out;

 private:
  void open(bool decoded) {
    close();
    open_ = true;
    decoded_ = decoded;
    message_bytes_ = payload_bytes_ = 0;
    proto::GroupDelivery& message = out.frames.emplace_back().message;
    message.set_subscription(subscription_);
    message.set_partition(acquired_.partition.value());
    message.set_lane(acquired_.lane.value());
    message.set_deadline_ms(acquired_.ack_deadline_us / kMicrosPerMilli);
  }

  void add_range(Offset first, Offset last, uint32_t attempt, uint32_t index) {
    auto* range = out.frames.back().message.add_acquired();
    range->set_first_offset(first.value());
    range->set_last_offset(last.value());
    range->set_attempt(attempt);
    range->set_batch(index);
  }

  const uint32_t subscription_;
  const core::Acquire& acquired_;
  bool open_ = false;
  bool decoded_ = false;
  size_t message_bytes_ = 0;
  size_t payload_bytes_ = 0;
  std::string values_;
};

struct Picked {
  storage::RecordView record;
  Offset offset;
  uint32_t attempt;
};

// The acquired records of one batch. An error: the batch cannot be decoded here.
core::Error pick(const core::StoredBatch& batch, const std::vector<core::AcquiredRange>& ranges,
                 std::string* scratch, std::vector<Picked>* picked) {
  auto range = ranges.begin();
  return for_each_record(
      batch.bytes, scratch,
      [&](const storage::BatchHeader& header, const storage::RecordView& record) {
        const Offset offset(header.base_offset + record.offset_delta);
        while (range != ranges.end() && range->last < offset) ++range;
        if (range == ranges.end() || offset < range->first) return;
        picked->push_back({record, offset, range->attempt});
      });
}

bool is_dense(const storage::BatchHeader& header, const std::vector<core::AcquiredRange>& ranges) {
  int64_t acquired = 0;
  for (const auto& range : ranges) acquired += range.last - range.first + 1;
  return acquired * 2 >= header.record_count;
}

void add_batch(const core::StoredBatch& batch, const std::vector<core::AcquiredRange>& ranges,
               bool decoded, Builder* builder) {
  const auto header = storage::read_header(batch.bytes.span());
  HR_CHECK(header.has_value());  // stored batches have been checked
  if (!decoded && is_dense(*header, ranges)) return builder->add_whole(batch, ranges);
  std::string scratch;
  std::vector<Picked> picked;
  const core::Error error = pick(batch, ranges, &scratch, &picked);
  if (error) {
    if (!decoded) return builder->add_whole(batch, ranges);
    for (const auto& range : ranges) {
      builder->out.undeliverable.push_back({range, error.message()});
    }
    return;
  }
  const auto too_large = [](const Picked& one) {
    return message_size(one.record) > kDecodedFrameBytes;
  };
  if (!decoded && std::ranges::any_of(picked, too_large)) return builder->add_whole(batch, ranges);
  const Epoch epoch(static_cast<uint32_t>(header->leader_epoch));
  for (const Picked& one : picked) {
    if (too_large(one)) {
      builder->out.undeliverable.push_back(
          {{one.offset, one.offset, one.attempt}, "key and headers are too large to be decoded"});
      continue;
    }
    builder->add_event(one.record, one.offset, one.attempt, epoch, batch.append_time_us);
  }
}

}  // namespace

GroupFrames make_group_frames(uint32_t subscription, const core::Acquire& acquired, bool decoded) {
  std::vector<std::vector<core::AcquiredRange>> ranges(acquired.batches.size());
  for (const auto& range : acquired.acquired) {
    HR_CHECK(range.batch < ranges.size());
    ranges[range.batch].push_back(range);
  }
  Builder builder(subscription, acquired);
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].empty()) continue;
    std::ranges::sort(ranges[i], {}, &core::AcquiredRange::first);
    add_batch(acquired.batches[i], ranges[i], decoded, &builder);
  }
  builder.close();
  return std::move(builder.out);
}

}  // namespace headrace::native
