#include "client/received.h"

#include <vector>

namespace headrace::client {

using storage::BatchError;

namespace {
constexpr size_t kMaxInflatedBytes = 16u << 20;
}

Result<ReceivedBatch> receive_batch(uint32_t partition, SharedBytes bytes, int64_t append_time_us) {
  ReceivedBatch batch;
  const BatchError error = storage::check_header(bytes.span(), &batch.header);
  if (error != BatchError::ok) {
    return bad_reply("the broker sent a damaged batch of partition " + std::to_string(partition) +
                     ": " + std::string(to_string(error)));
  }
  batch.partition = partition;
  batch.bytes = std::move(bytes);
  batch.append_time_us = append_time_us;
  batch.first_offset = batch.header.base_offset;
  return batch;
}

Result<ReceivedBatch> receive_event(uint32_t partition, const proto::DeliveredEvent& event,
                                    std::string_view value) {
  std::vector<storage::HeaderField> headers;
  headers.reserve(static_cast<size_t>(event.headers_size()));
  for (const proto::Header& header : event.headers()) {
    storage::HeaderField& field = headers.emplace_back();
    field.key = header.key();
    if (header.has_value()) field.value = header.value();
  }
  storage::EventFields fields;
  if (event.has_key()) fields.key = event.key();
  if (event.has_value_size()) fields.value = value;
  fields.timestamp_ms = event.timestamp_ms();
  fields.headers = headers;
  storage::BatchBuilder builder;
  builder.add(fields);
  SharedBytes bytes = builder.finish();
  storage::patch_batch(bytes.mutable_data(), Offset(event.offset()), Epoch(event.epoch()));
  return receive_batch(partition, std::move(bytes), event.append_time_us());
}

EventReader::EventReader(const ReceivedBatch& batch)
    : batch_(batch), reader_(inflate(), batch.header) {}

std::span<const std::byte> EventReader::inflate() {
  std::span<const std::byte> records;
  inflate_error_ = storage::records_of(batch_.bytes.span(), batch_.header, &scratch_,
                                       kMaxInflatedBytes, &records);
  if (inflate_error_ != BatchError::ok) records = {};
  return records;
}

bool EventReader::next(ReceivedEvent* event) {
  if (inflate_error_ != BatchError::ok) return false;
  while (reader_.next(&event->record)) {
    event->offset = batch_.header.base_offset + event->record.offset_delta;
    if (event->offset < batch_.first_offset) continue;
    if (event->offset > batch_.last_offset) return false;
    event->partition = batch_.partition;
    event->append_time_us = batch_.append_time_us;
    event->epoch = static_cast<uint32_t>(batch_.header.leader_epoch);
    return true;
  }
  return false;
}

Error EventReader::error() const {
  const BatchError error = inflate_error_ != BatchError::ok ? inflate_error_ : reader_.error();
  if (error == BatchError::ok) return {};
  return bad_reply("the batch at partition " + std::to_string(batch_.partition) + ", offset " +
                   std::to_string(batch_.header.base_offset) +
                   " cannot be read: " + std::string(to_string(error)));
}

}  // namespace headrace::client
