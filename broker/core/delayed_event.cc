#include "broker/core/delayed_event.h"

#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {

std::string delayed_id(const PartitionKey& partition, uint64_t sequence) {
  return "t" + std::to_string(partition.topic.value()) + "-" +
         std::to_string(partition.partition.value()) + "-d" +
         std::to_string(sequence >> kDelayedCountBits) + "." +
         std::to_string(sequence & ((uint64_t{1} << kDelayedCountBits) - 1));
}

std::string_view own_id(const storage::EventFields& event) {
  for (const auto& header : event.headers) {
    if (header.key == "ce_id") return header.value.value_or(std::string_view());
  }
  return {};
}

SharedBytes build_event(const storage::EventFields& event, std::string_view id) {
  storage::BatchBuilder builder;
  if (!own_id(event).empty()) {
    builder.add(event);
    return builder.finish();
  }
  // Of several headers of a name the first counts.
  std::vector<storage::HeaderField> headers{{"ce_id", id}};
  headers.insert(headers.end(), event.headers.begin(), event.headers.end());
  storage::EventFields named = event;
  named.headers = headers;
  builder.add(named);
  return builder.finish();
}

std::string encode_delayed(const DelayedRow& row) {
  records::Delayed record;
  record.set_event(std::string(storage::as_text(row.event.span())));
  record.set_accepted_us(row.accepted_us);
  record.set_violation(row.violation);
  return record.SerializeAsString();
}

std::optional<DelayedRow> decode_delayed(std::string_view row) {
  records::Delayed record;
  if (!record.ParseFromArray(row.data(), static_cast<int>(row.size()))) return std::nullopt;
  DelayedRow decoded{SharedBytes::copy_of(record.event()), record.accepted_us(),
                     record.violation()};
  OpenedEvent opened;
  if (!open_event(decoded.event, &opened)) return std::nullopt;
  return decoded;
}

bool open_event(const SharedBytes& event, OpenedEvent* opened) {
  storage::BatchHeader header;
  if (storage::check_header(event.span(), &header) != storage::BatchError::ok) return false;
  if (header.record_count != 1 || header.codec() != storage::Codec::none) return false;
  storage::RecordReader reader(event.span().subspan(storage::kBatchHeaderSize), header);
  storage::RecordView record;
  if (!reader.next(&record)) return false;
  opened->fields.key = record.key;
  opened->fields.value = record.value;
  opened->fields.timestamp_ms = record.timestamp_ms;
  opened->headers.clear();
  const bool whole = storage::for_each_header(record, [&](const storage::HeaderView& view) {
    opened->headers.push_back({view.key, view.value});
  });
  opened->fields.headers = opened->headers;
  opened->id = own_id(opened->fields);
  opened->type = record.header("ce_type").value_or(std::string_view());
  return whole;
}

}  // namespace headrace::core
