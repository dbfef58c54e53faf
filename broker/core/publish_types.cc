#include "broker/core/publish_types.h"

#include <algorithm>

#include "broker/limits.h"
#include "storage/event_attributes.h"

namespace headrace::core {
namespace {

std::string_view type_of(const PublishEvents::Item& item) {
  for (const storage::HeaderField& header : item.headers) {
    if (header.key == storage::kHeaderType) return header.value.value_or(std::string_view());
  }
  return {};
}

bool admit_events(PublishEvents* publish) {
  const bool as_one = publish->atomic || publish->producer != kNoProducer;
  for (PublishEvents::Item& item : publish->items) {
    if (item.error) continue;
    item.error = publish->tenant.require_type(publish->topic->name, type_of(item));
    if (item.error && as_one) {
      publish->error = item.error;
      return false;
    }
  }
  return std::ranges::any_of(publish->items,
                             [](const PublishEvents::Item& item) { return !item.error; });
}

// What a client states of a compressed batch counts for nothing here: it is inflated.
Error check_records(const PublishBatch& publish) {
  std::string inflated;
  std::span<const std::byte> records;
  auto failed = storage::records_of(publish.batch.span(), publish.header, &inflated,
                                    limits::kInflateBytesMax, &records);
  storage::RecordReader reader(records, publish.header);
  storage::RecordView record;
  std::string last;  // types come in runs
  bool any = false;
  while (failed == storage::BatchError::ok && reader.next(&record)) {
    const auto type = record.header(storage::kHeaderType).value_or(std::string_view());
    if (any && type == last) continue;
    if (Error error = publish.tenant.require_type(publish.topic->name, type)) return error;
    last = type;
    any = true;
  }
  if (failed == storage::BatchError::ok) failed = reader.error();
  if (failed == storage::BatchError::ok) return {};
  return Error(ErrorCode::invalid_batch, std::string(to_string(failed)));
}

Error check_batch(const PublishBatch& publish) {
  const storage::Summary& summary = publish.summary;
  if (publish.header.codec() != storage::Codec::none || summary.types_unknown) {
    return check_records(publish);
  }
  for (const auto& [type, count] : summary.types) {
    if (Error error = publish.tenant.require_type(publish.topic->name, type)) return error;
  }
  return {};
}

}  // namespace

bool admit_types(Request* publish) {
  if (!publish->tenant.types_limited()) return true;
  if (publish->kind == Request::Kind::publish_events) {
    return admit_events(&as<PublishEvents>(*publish));
  }
  auto& batch = as<PublishBatch>(*publish);
  batch.error = check_batch(batch);
  return !batch.error;
}

}  // namespace headrace::core
