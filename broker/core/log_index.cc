#include "broker/core/log_index.h"

#include <algorithm>
#include <tuple>

namespace headrace::core {
namespace {

std::string row_of_two(int64_t first, int64_t second) {
  std::string row(2 * sizeof(int64_t), '\0');
  auto* at = reinterpret_cast<std::byte*>(row.data());
  store_be(at, first);
  store_be(at + sizeof(int64_t), second);
  return row;
}

bool read_row_of_two(std::string_view row, int64_t* first, int64_t* second) {
  if (row.size() != 2 * sizeof(int64_t)) return false;
  const auto* at = reinterpret_cast<const std::byte*>(row.data());
  *first = load_be<int64_t>(at);
  *second = load_be<int64_t>(at + sizeof(int64_t));
  return true;
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
                      const storage::Summary& summary, const storage::Violations& violations,
                      int64_t append_time_us, Month month, storage::WriteSet* writes) {
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
                    std::move(batch), violations.empty() ? std::string() : violations.encode());
  count(header, summary, append_time_us);
  if (chunk_.should_close(append_time_us)) close_chunk(writes);
}

void LogIndex::count(const storage::BatchHeader& header, const storage::Summary& summary,
                     int64_t append_time_us) {
  chunk_.add(header, append_time_us, summary);
  lookups_.add(header, append_time_us, summary);
  months_.back().row.add(header.crc, header.total_size(),
                         static_cast<uint32_t>(header.record_count), append_time_us);
  next_offset_ = next_offset_ + header.record_count;
}

void LogIndex::close_chunk(storage::WriteSet* writes) {
  if (chunk_.empty()) return;
  put_lookups(writes);
  const Month month = months_.back().row.month;
  const Offset base = chunk_.base_offset();
  const auto& row =
      closing_.emplace_back(ClosingChunk{base, month, chunk_.finish(), writes->sequence}).row;
  writes->put(log_place(month), storage::log_key(storage::LogKind::chunk, partition_, base),
              row.encode());
  put_month(months_.back(), writes);
}

void LogIndex::on_committed(uint64_t sequence) {
  std::erase_if(closing_, [&](const ClosingChunk& chunk) { return chunk.sequence <= sequence; });
}

void LogIndex::put_lookups(storage::WriteSet* writes) {
  const storage::Place place = log_place(months_.back().row.month);
  const Offset base = chunk_.base_offset();
  for (auto& [bucket, row] : lookups_.finish()) {
    writes->put(place, storage::lookup_key(partition_, bucket, base), std::move(row));
  }
  // Chunks in front of it may be of a program that wrote none: then the span begins here.
  if (lookups_end_ != base) lookups_from_ = base;
  lookups_end_ = next_offset_;
  writes->put(storage::state_place(partition_.tenant), storage::lookup_span_key(partition_),
              row_of_two(lookups_from_.value(), lookups_end_.value()));
}

// ---- loading

void LogIndex::load_month(Offset first_offset, const storage::MonthRow& row) {
  months_.push_back({first_offset, row});
  // The row counts what its closed chunks hold.
  next_offset_ = first_offset + static_cast<int64_t>(row.events);
}

bool LogIndex::load_log_start(std::string_view row) {
  int64_t log_start = 0;
  if (!read_row_of_two(row, &log_start, &trimmed_bytes_)) return false;
  log_start_ = Offset(log_start);
  next_offset_ = std::max(next_offset_, log_start_);
  return true;
}

bool LogIndex::load_lookup_span(std::string_view row) {
  int64_t from = 0;
  int64_t end = 0;
  if (!read_row_of_two(row, &from, &end) || from < 0 || end < from) return false;
  lookups_from_ = Offset(from);
  lookups_end_ = Offset(end);
  return true;
}

void LogIndex::load_batch(const storage::BatchHeader& header, const storage::Summary& summary,
                          int64_t append_time_us) {
  count(header, summary, append_time_us);
}

// ---- retention

std::vector<LogIndex::MonthSpan> LogIndex::trim(Offset to, int64_t bytes_in_month,
                                                storage::WriteSet* writes) {
  std::vector<MonthSpan> gone;
  if (to <= log_start_) return gone;
  for (size_t i = 0; i < months_.size(); ++i) {
    const MonthSpan& span = months_[i];
    if (span.first_offset >= to) break;
    const Offset from = std::max(span.first_offset, log_start_);
    for (auto kind : {storage::LogKind::batch, storage::LogKind::chunk}) {
      writes->remove_range(log_place(span.row.month), storage::log_key(kind, partition_, from),
                           storage::log_key(kind, partition_, to));
    }
    // Nothing of the partition follows in the month, unless a clock that was set back brings it
    // again.
    const bool whole =
        i + 1 < months_.size() && months_[i + 1].first_offset <= to &&
        std::none_of(months_.begin() + static_cast<std::ptrdiff_t>(i) + 1, months_.end(),
                     [&](const MonthSpan& later) { return later.row.month == span.row.month; });
    remove_lookups(log_place(span.row.month), from, whole ? months_[i + 1].first_offset : to, whole,
                   writes);
  }
  while (months_.size() > 1 && months_[1].first_offset <= to) {
    writes->remove(storage::state_place(partition_.tenant),
                   storage::months_key(partition_, months_.front().first_offset));
    gone.push_back(months_.front());
    months_.erase(months_.begin());
  }
  std::erase_if(closing_, [&](const ClosingChunk& chunk) { return chunk.end() <= to; });
  const bool same_month = gone.empty();
  trimmed_bytes_ = bytes_in_month + (same_month ? trimmed_bytes_ : 0);
  log_start_ = to;
  writes->put(storage::state_place(partition_.tenant), storage::log_start_key(partition_),
              row_of_two(log_start_.value(), trimmed_bytes_));
  return gone;
}

std::vector<LogIndex::MonthSpan> LogIndex::trim_all(storage::WriteSet* writes) {
  close_chunk(writes);
  for (const MonthSpan& span : months_) {
    for (auto kind : {storage::LogKind::batch, storage::LogKind::chunk, storage::LogKind::lookup}) {
      const auto prefix = storage::log_prefix(kind, partition_);
      writes->remove_range(log_place(span.row.month), prefix, prefix.after_prefix());
    }
    writes->remove(storage::state_place(partition_.tenant),
                   storage::months_key(partition_, span.first_offset));
  }
  closing_.clear();
  trimmed_bytes_ = 0;
  log_start_ = next_offset_;
  writes->put(storage::state_place(partition_.tenant), storage::log_start_key(partition_),
              row_of_two(log_start_.value(), 0));
  return std::exchange(months_, {});
}

// ---- imports

void LogIndex::start_at(Offset offset, storage::WriteSet* writes) {
  HR_CHECK(months_.empty() && next_offset_ == Offset(0));
  log_start_ = next_offset_ = offset;
  if (writes == nullptr) return;
  writes->put(storage::state_place(partition_.tenant), storage::log_start_key(partition_),
              row_of_two(log_start_.value(), 0));
}

// Chunks between the import and what has look-up rows may have none: then they stay two parts, and
// only the newer one counts.
std::pair<Offset, Offset> LogIndex::lookups_with(const LogIndex& front) const {
  const Offset end = front.next_offset_;
  if (lookups_end_ < end) return {front.lookups_from_, end};
  if (lookups_from_ <= end) return {std::min(lookups_from_, front.lookups_from_), lookups_end_};
  return {lookups_from_, lookups_end_};
}

void LogIndex::put_front(const LogIndex& front, storage::WriteSet* writes) const {
  HR_CHECK(front.months_.size() == 1 && front.next_offset_ == log_start_);
  const storage::Place state = storage::state_place(partition_.tenant);
  put_month(front.months_.front(), writes);
  writes->put(state, storage::log_start_key(partition_),
              row_of_two(front.months_.front().first_offset.value(), 0));
  const auto [from, end] = lookups_with(front);
  writes->put(state, storage::lookup_span_key(partition_), row_of_two(from.value(), end.value()));
}

void LogIndex::take_front(const LogIndex& front) {
  std::tie(lookups_from_, lookups_end_) = lookups_with(front);
  months_.insert(months_.begin(), front.months_.front());
  log_start_ = front.months_.front().first_offset;
  trimmed_bytes_ = 0;
}

// Whole segments go; the rows of half a segment go with the rest of it later.
void LogIndex::remove_lookups(const storage::Place& place, Offset from, Offset to, bool to_the_last,
                              storage::WriteSet* writes) const {
  const int64_t first = from.value() >> storage::kLookupSegmentBits;
  const int64_t end = to.value() >> storage::kLookupSegmentBits;
  const int64_t last = to_the_last ? end + 1 : end;
  if (first >= last) return;
  writes->remove_range(place, storage::lookup_prefix(partition_, first),
                       storage::lookup_prefix(partition_, last));
}

int64_t LogIndex::total_bytes() const {
  int64_t bytes = -trimmed_bytes_;
  for (const MonthSpan& span : months_) bytes += static_cast<int64_t>(span.row.bytes);
  return bytes;
}

}  // namespace headrace::core
