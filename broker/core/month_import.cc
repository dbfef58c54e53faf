#include "broker/core/month_import.h"

namespace headrace::core {

MonthImport::MonthImport(const BeginImport& begun, const PartitionKey& partition, int64_t latest_us)
    : row_{begun.month, begun.first, begun.end},
      digest_(begun.digest),
      file_hash_(begun.file_hash),
      latest_us_(latest_us),
      front_(partition) {
  front_.start_at(begun.first);
}

Error MonthImport::check(const ImportBatches& request) const {
  Offset next = front_.next_offset();
  int64_t earliest_us = front_.last_append_us();
  for (const auto& item : request.items) {
    const auto wrong = [&](const std::string& what) {
      return Error(ErrorCode::invalid_request,
                   "batch at offset " + std::to_string(item.header.base_offset) + ": " + what);
    };
    if (item.header.base_offset != next.value()) {
      return wrong("offset " + std::to_string(next.value()) + " comes next");
    }
    next = next + item.header.record_count;
    if (next > row_.end) return wrong("it ends behind the import's end");
    if (item.append_time_us < earliest_us || item.append_time_us > latest_us_) {
      return wrong("its append time does not lie between those of its neighbours");
    }
    earliest_us = item.append_time_us;
  }
  return {};
}

void MonthImport::add(const ImportBatches& request, storage::WriteSet* writes) {
  storage::WriteSet rows;
  for (const auto& item : request.items) {
    front_.append(item.batch, item.header, item.summary, item.violations, item.append_time_us,
                  row_.month, &rows);
  }
  front_.on_committed(rows.sequence);  // nobody reads before all of it is durable
  copy_log_rows(rows, writes);
}

Error MonthImport::close(storage::WriteSet* writes) {
  const uint32_t digest = front_.months().front().row.digest;
  if (digest != digest_) {
    return {ErrorCode::corrupt_batch, "the import's digest is " + std::to_string(digest) +
                                          ", not " + std::to_string(digest_)};
  }
  storage::WriteSet rows;
  front_.close(&rows);
  front_.on_committed(rows.sequence);
  copy_log_rows(rows, writes);
  return {};
}

// What its index writes of the partition itself is not true yet.
void MonthImport::copy_log_rows(const storage::WriteSet& from, storage::WriteSet* to) const {
  for (const storage::Mutation& row : from.mutations()) {
    if (row.place.table != storage::Table::log) continue;
    if (row.op == storage::Op::put_batch) {
      to->put_batch(row.place, row.key, row.envelope, row.batch, row.value);
    } else {
      to->put(row.place, row.key, row.value);
    }
  }
}

}  // namespace headrace::core
