#include "broker/native/decode.h"

#include "metrics/utf8.h"

namespace headrace::native {

core::Error for_each_record(const SharedBytes& batch, std::string* scratch,
                            const std::function<void(const storage::BatchHeader& header,
                                                     const storage::RecordView& record)>& visit) {
  const auto header = storage::read_header(batch.span());
  if (!header) return core::Error(core::ErrorCode::storage_error, "a batch without a header");
  std::span<const std::byte> records;
  auto error =
      storage::records_of(batch.span(), *header, scratch, kDecodeInflateBytesMax, &records);
  storage::RecordReader reader(records, *header);
  storage::RecordView record;
  while (error == storage::BatchError::ok && reader.next(&record)) visit(*header, record);
  if (error == storage::BatchError::ok) error = reader.error();
  if (error == storage::BatchError::ok) return {};
  return core::Error(
      core::ErrorCode::undecodable,
      std::string(storage::to_string(error)) + "; subscribe without `decoded` to get it raw");
}

void fill_event(const storage::RecordView& record, Offset offset, int64_t append_time_us,
                Epoch epoch, proto::DeliveredEvent* event, std::string* payload) {
  event->set_offset(offset.value());
  event->set_timestamp_ms(record.timestamp_ms);
  event->set_append_time_us(append_time_us);
  event->set_epoch(epoch.value());
  if (record.key) event->set_key(std::string(*record.key));
  if (record.value) {
    event->set_value_size(static_cast<uint32_t>(record.value->size()));
    payload->append(*record.value);
  }
  storage::for_each_header(record, [&](const storage::HeaderView& header) {
    auto* field = event->add_headers();
    field->set_key(clean_utf8(header.key, SIZE_MAX));
    if (header.value) field->set_value(std::string(*header.value));
  });
}

}  // namespace headrace::native
