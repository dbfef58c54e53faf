// Events out of fetched batches. Plain values and views; one thread at a time.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "client/error.h"
#include "headrace.pb.h"
#include "metrics/shared_bytes.h"
#include "storage/batch.h"

namespace headrace::client {

// A batch as the broker sent it, and which part of it was asked for.
struct ReceivedBatch {
  uint32_t partition = 0;
  SharedBytes bytes;
  storage::BatchHeader header;
  int64_t append_time_us = 0;
  int64_t first_offset = 0;  // events before it are not delivered
  int64_t last_offset = std::numeric_limits<int64_t>::max();

  int64_t next_offset() const { return header.base_offset + header.last_offset_delta + 1; }
};

// Checks length, checksum and header. Error: bad_reply.
Result<ReceivedBatch> receive_batch(uint32_t partition, SharedBytes bytes, int64_t append_time_us);

// A batch of one event, from its decoded form.
Result<ReceivedBatch> receive_event(uint32_t partition, const proto::DeliveredEvent& event,
                                    std::string_view value);

struct ReceivedEvent {
  uint32_t partition = 0;
  int64_t offset = 0;
  int64_t append_time_us = 0;
  uint32_t epoch = 0;          // of the shard that appended it: part of computed ids
  storage::RecordView record;  // points into the reader
};

// Walks the events of one batch, inflating it if need be (at most 16 MiB).
class EventReader {
 public:
  explicit EventReader(const ReceivedBatch& batch);  // the batch must outlive the reader
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  bool next(ReceivedEvent* event);  // false: the end, or damage
  Error error() const;

 private:
  std::span<const std::byte> inflate();

  const ReceivedBatch& batch_;
  std::string scratch_;
  storage::BatchError inflate_error_ = storage::BatchError::ok;
  storage::RecordReader reader_;
};

}  // namespace headrace::client
