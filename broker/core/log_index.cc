#include "broker/core/log_index.h"

#include <algorithm>

namespace headrace::core {
namespace {

std::string log_start_row(Offset log_start, int64_t trimmed_bytes) {
  std::string row(2 * sizeof(int64_t), '\0');
  auto* at = reinterpret_cast<std::byte*>(row.data());
  store_be(at, log_start.value());
  store_be(at + sizeof(int64_t), trimmed_bytes);
  return row;
}

}  // namespace

const LogIndex::MonthSpan* LogIndex::month_of(Offset offset) const {
  auto after = std::partition_point(months_.begin(), months_.end(), [&](const MonthSpan& span) {
    return span.first_offset <= offset;
  });
  return after == months_.begin() ? nullptr : &*std::prev(after);
}

void LogIndex::put_month(const MonthSpan& span, storage::WriteSet* writes) const {
  writes->put(storage::state_place(partition_.tenant),
              storage::months_key(partition_, span.first_offset), span.row.encode());
}

void LogIndex::append(SharedBytes batch, const storage::BatchHeader& header,
                      const storage::Summary& summary, int64_t append_time_us, Month month,
                      storage::WriteSet* writes) {
  HR_CHECK(header.base_offset == next_offset_.value());
  if (months_.empty() || months_.back().row.month != month) {
    // The roll: the old month's last numbers, the new month's first row.
    if (!months_.empty()) close_chunk(writes);
    MonthSpan span{next_offset_, {}};
    span.row.month = month;
    months_.push_back(span);
    put_month(months_.back(), writes);
  }
  storage::Envelope envelope;
  envelope.append_time_us = append_time_us;
  writes->put_batch(log_place(month),
                    storage::log_key(storage::LogKind::batch, partition_, next_offset_), envelope,
                    std::move(batch));
  count(header, summary, append_time_us);
  if (chunk_.should_close(append_time_us)) close_chunk(writes);
}

void LogIndex::count(const storage::BatchHeader& header, const storage::Summary& summary,
                     int64_t append_time_us) {
  chunk_.add(header, append_time_us, summary);
  months_.back().row.add(header.crc, header.total_size(),
                         static_cast<uint32_t>(header.record_count), append_time_us);
  next_offset_ = next_offset_ + header.record_count;
}

void LogIndex::close_chunk(storage::WriteSet* writes) {
  if (chunk_.empty()) return;
  const auto key = storage::log_key(storage::LogKind::chunk, partition_, chunk_.base_offset());
  writes->put(log_place(months_.back().row.month), key, chunk_.finish().encode());
  put_month(months_.back(), writes);
}

// ---- loading

void LogIndex::load_month(Offset first_offset, const storage::MonthRow& row) {
  months_.push_back({first_offset, row});
  // The row counts what its closed chunks hold.
  next_offset_ = first_offset + static_cast<int64_t>(row.events);
}

bool LogIndex::load_log_start(std::string_view row) {
  if (row.size() != 2 * sizeof(int64_t)) return false;
  const auto* at = reinterpret_cast<const std::byte*>(row.data());
  log_start_ = Offset(load_be<int64_t>(at));
  trimmed_bytes_ = load_be<int64_t>(at + sizeof(int64_t));
  next_offset_ = std::max(next_offset_, log_start_);
  return true;
}

void LogIndex::load_batch(const storage::BatchHeader& header, const storage::Summary& summary,
                          int64_t append_time_us) {
  count(header, summary, append_time_us);
}

// ---- retention

void LogIndex::trim(Offset to, int64_t bytes_in_month, storage::WriteSet* writes) {
  if (to <= log_start_) return;
  for (const MonthSpan& span : months_) {
    if (span.first_offset >= to) break;
    const Offset from = std::max(span.first_offset, log_start_);
    for (auto kind : {storage::LogKind::batch, storage::LogKind::chunk}) {
      writes->remove_range(log_place(span.row.month), storage::log_key(kind, partition_, from),
                           storage::log_key(kind, partition_, to));
    }
  }
  bool same_month = true;
  while (months_.size() > 1 && months_[1].first_offset <= to) {
    writes->remove(storage::state_place(partition_.tenant),
                   storage::months_key(partition_, months_.front().first_offset));
    months_.erase(months_.begin());
    same_month = false;
  }
  trimmed_bytes_ = bytes_in_month + (same_month ? trimmed_bytes_ : 0);
  log_start_ = to;
  writes->put(storage::state_place(partition_.tenant), storage::log_start_key(partition_),
              log_start_row(log_start_, trimmed_bytes_));
}

int64_t LogIndex::total_bytes() const {
  int64_t bytes = -trimmed_bytes_;
  for (const MonthSpan& span : months_) bytes += static_cast<int64_t>(span.row.bytes);
  return bytes;
}

}  // namespace headrace::core
