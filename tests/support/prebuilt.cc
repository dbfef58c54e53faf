#include "tests/support/prebuilt.h"

#include "metrics/check.h"
#include "storage/batch.h"
#include "storage/dedup_row.h"

namespace headrace::test {

std::unique_ptr<core::PublishBatch> prebuild(const core::PublishEvents& events) {
  auto request = std::make_unique<core::PublishBatch>(core::Access::anonymous());
  storage::BatchBuilder builder;
  builder.set_producer(events.producer, events.producer_epoch, events.sequence);
  for (const auto& item : events.items) builder.add(item.fields);
  request->batch = builder.finish();
  request->topic = events.topic;
  request->partition = events.items.front().partition;
  request->durability = events.durability;
  HR_CHECK(storage::check_header(request->batch.span(), &request->header) ==
           storage::BatchError::ok);
  const auto records = request->batch.span().subspan(storage::kBatchHeaderSize);
  HR_CHECK(storage::walk(records, request->header, &request->summary) == storage::BatchError::ok);
  storage::RecordReader reader(records, request->header);
  storage::RecordView record;
  while (request->topic->dedup.window_us > 0 && reader.next(&record)) {
    const auto id = record.header("ce_id");
    if (!id) continue;
    request->ids.push_back(
        {storage::id_hash(*id), static_cast<uint32_t>(record.offset_delta), *id});
  }
  return request;
}

}  // namespace headrace::test
