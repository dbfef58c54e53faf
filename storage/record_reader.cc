// Reading records: the per-record cost of every publish, so one pass, no allocation, no copies.
#include <cstring>

#include "storage/batch.h"

namespace headrace::storage {
namespace {

// A length with -1 for null, then the bytes.
inline const char* read_nullable(const char* at, const char* end,
                                 std::optional<std::string_view>* value) {
  int32_t size = 0;
  at = read_varint32(at, end, &size);
  if (at == nullptr || size < -1 || size > end - at) return nullptr;
  if (size < 0) {
    value->reset();
    return at;
  }
  *value = std::string_view(at, static_cast<size_t>(size));
  return at + size;
}

// The record at `at`, which must have the offset delta `expected`: the position after it, or
// nullptr.
inline const char* read_record(const char* at, const char* end, int32_t expected,
                               int64_t base_timestamp_ms, RecordView* record) {
  int32_t size = 0;
  at = read_varint32(at, end, &size);
  if (at == nullptr || size < 1 || size > end - at) return nullptr;
  const char* const record_end = at + size;
  ++at;  // attributes: unused in format 2
  int64_t timestamp_delta = 0;
  at = read_varint64(at, record_end, &timestamp_delta);
  if (at == nullptr) return nullptr;
  at = read_varint32(at, record_end, &record->offset_delta);
  if (at == nullptr || record->offset_delta != expected) return nullptr;
  at = read_nullable(at, record_end, &record->key);
  if (at == nullptr) return nullptr;
  at = read_nullable(at, record_end, &record->value);
  if (at == nullptr) return nullptr;
  at = read_varint32(at, record_end, &record->header_count);
  if (at == nullptr || record->header_count < 0) return nullptr;
  record->headers_raw = {at, static_cast<size_t>(record_end - at)};
  // A header is at least two bytes: no loop over a count that cannot be true.
  if (static_cast<size_t>(record->header_count) > record->headers_raw.size() / 2) return nullptr;
  if (record->header_count == 0 && !record->headers_raw.empty()) return nullptr;
  // Unsigned, because a stranger's delta may overflow.
  record->timestamp_ms = static_cast<int64_t>(static_cast<uint64_t>(base_timestamp_ms) +
                                              static_cast<uint64_t>(timestamp_delta));
  return record_end;
}

// Short texts are compared inline: memcmp of a dozen bytes costs more than the rest of a record.
template <size_t N>
inline bool equals(std::string_view text, const char (&literal)[N]) {
  return text.size() == N - 1 && __builtin_memcmp(text.data(), literal, N - 1) == 0;
}

inline uint64_t load_8(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline bool same_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a.size() < 8) {
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  const size_t last = a.size() - 8;  // the last eight bytes overlap the ones before
  for (size_t i = 0; i < last; i += 8) {
    if (load_8(a.data() + i) != load_8(b.data() + i)) return false;
  }
  return load_8(a.data() + last) == load_8(b.data() + last);
}

// Collects what the records of one batch say about themselves.
class Summarizer {
 public:
  explicit Summarizer(Summary* summary) : summary_(*summary) {
    summary_ = Summary{};
    summary_.lookups_unknown = false;
  }

  void count_type(std::string_view type) {
    if (summary_.types_unknown) return;
    if (last_ >= summary_.types.size() || !same_text(summary_.types[last_].type, type)) {
      if (!find_type(type)) return;
    }
    ++summary_.types[last_].count;
  }
  void add_lookup(Lookup what, std::string_view bytes) {
    if (what == Lookup::key) summary_.has_keys = true;
    if (what == Lookup::id) summary_.has_ids = true;
    if (summary_.lookups_unknown) return;
    if (summary_.lookups.size() >= Summary::kMaxLookups) {
      summary_.lookups_unknown = true;
      summary_.lookups.clear();
      return;
    }
    summary_.lookups.push_back(lookup_hash(what, bytes));
  }

 private:
  // Moves last_ to `type`, which is added if it is new and fits.
  bool find_type(std::string_view type) {
    for (last_ = 0; last_ < summary_.types.size(); ++last_) {
      if (summary_.types[last_].type == type) return true;
    }
    if (last_ >= Summary::kMaxTypes || type.size() > Summary::kMaxTypeSize) {
      summary_.types_unknown = true;
      summary_.types.clear();
      return false;
    }
    summary_.types.push_back({std::string(type), 0});
    return true;
  }

  Summary& summary_;
  size_t last_ = 0;  // neighbours mostly share their type
};

inline bool is_reserved(std::string_view name) {
  return name.size() >= 3 && name[0] == 'h' && name[1] == 'r' && name[2] == '_';
}

// Null data: absent. A null header counts like an empty one.
struct HeadersOfInterest {
  std::string_view type;
  std::string_view id;
  std::string_view correlation_id;
};

// Of several headers with one name the first counts, as in RecordView::header.
inline void note_header(const HeaderView& header, HeadersOfInterest* found) {
  if (!header.key.starts_with('c')) return;
  std::string_view* value = nullptr;
  if (equals(header.key, "ce_type")) {
    value = &found->type;
  } else if (equals(header.key, "ce_id")) {
    value = &found->id;
  } else if (equals(header.key, "ce_correlationid")) {
    value = &found->correlation_id;
  }
  if (value == nullptr || value->data() != nullptr) return;
  *value = "";
  if (header.value) *value = *header.value;
}

inline BatchError walk_headers(const RecordView& record, HeadersOfInterest* found) {
  const char* at = record.headers_raw.data();
  const char* const end = at + record.headers_raw.size();
  HeaderView header;
  for (int32_t i = 0; i < record.header_count; ++i) {
    at = read_record_header(at, end, &header);
    if (at == nullptr) return BatchError::bad_record;
    if (is_reserved(header.key)) return BatchError::reserved_header;
    note_header(header, found);
  }
  return at == end ? BatchError::ok : BatchError::bad_record;
}

inline void summarize(const RecordView& record, const HeadersOfInterest& found,
                      Summarizer* summarizer) {
  summarizer->count_type(found.type);
  if (record.key) summarizer->add_lookup(Lookup::key, *record.key);
  if (!found.id.empty()) summarizer->add_lookup(Lookup::id, found.id);
  if (!found.correlation_id.empty()) {
    summarizer->add_lookup(Lookup::correlation_id, found.correlation_id);
  }
}

}  // namespace

std::optional<std::string_view> RecordView::header(std::string_view name) const {
  const char* at = headers_raw.data();
  const char* const end = at + headers_raw.size();
  HeaderView found;
  for (int32_t i = 0; i < header_count; ++i) {
    at = read_record_header(at, end, &found);
    if (at == nullptr) return std::nullopt;
    if (found.key == name) return found.value;
  }
  return std::nullopt;
}

RecordReader::RecordReader(std::span<const std::byte> records, const BatchHeader& header)
    : at_(reinterpret_cast<const char*>(records.data())),
      end_(at_ + records.size()),
      base_timestamp_ms_(header.base_timestamp_ms),
      expected_(header.record_count) {}

bool RecordReader::next(RecordView* record) {
  if (error_ != BatchError::ok) return false;
  if (at_ == end_ || seen_ == expected_) {
    if (at_ != end_ || seen_ != expected_) error_ = BatchError::bad_count;
    return false;
  }
  const char* after = read_record(at_, end_, seen_, base_timestamp_ms_, record);
  if (after == nullptr) {
    error_ = BatchError::bad_record;
    return false;
  }
  at_ = after;
  ++seen_;
  return true;
}

BatchError walk(std::span<const std::byte> records, const BatchHeader& header, Summary* summary) {
  Summary unused;
  Summarizer summarizer(summary != nullptr ? summary : &unused);
  RecordReader reader(records, header);
  RecordView record;
  while (reader.next(&record)) {
    HeadersOfInterest found;
    const BatchError error = walk_headers(record, &found);
    if (error != BatchError::ok) return error;
    if (summary != nullptr) summarize(record, found, &summarizer);
  }
  if (summary != nullptr) summary->uncompressed_size = static_cast<uint32_t>(records.size());
  return reader.error();
}

}  // namespace headrace::storage
