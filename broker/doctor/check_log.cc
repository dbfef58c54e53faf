// Every batch: its envelope and checksum, dense offsets, the month that says where it is; every
// chunk row: that it describes the batches that are there. Then the numbers of the months.
#include "broker/doctor/check_lookups.h"
#include "broker/doctor/facts.h"
#include "storage/batch.h"
#include "storage/chunk.h"
#include "storage/violations.h"

namespace headrace::doctor {
namespace {

std::string text_of(Offset offset) {
  return std::to_string(offset.value());
}

// One log family. Chunk rows are read beside the batches they describe.
class FamilyCheck {
 public:
  FamilyCheck(const storage::ReadOnlyStore& store, std::pair<Month, TenantId> family, Facts* facts,
              Check* check)
      : store_(store),
        family_(family),
        facts_(facts),
        check_(check),
        lookups_(store, place(), check) {}

  void run();
  uint64_t batches() const { return batches_; }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Batch {
    storage::BatchHeader header;
    int64_t append_time_us = 0;
    storage::Summary summary;
    bool summary_known = false;  // compressed: only its producer knew
  };

  storage::Place place() const { return {storage::Table::log, family_.first, family_.second}; }
  std::string where(std::string_view key) const {
    return "month " + std::to_string(family_.first.value()) + ", " +
           storage::to_text(storage::Table::log, key);
  }
  void find(std::string_view key, const std::string& what) {
    check_->add({where(key), what, kRestore});
  }
  bool is_imported(const storage::LogKeyParts& parts) const;
  void begin_partition(const PartitionKey& key);
  void end_partition();
  void take(std::string_view key, std::string_view value);
  bool read(std::string_view key, std::string_view value, Batch* batch);
  void place_batch(std::string_view key, Offset base, const Batch& batch);
  void compare_with_chunk(Offset base, const Batch& batch);
  void begin_chunk(Offset base);
  void skip_to(Offset base);
  void end_chunk();
  void unreadable(const std::string& error, std::string_view last_key);

  const storage::ReadOnlyStore& store_;
  const std::pair<Month, TenantId> family_;
  Facts* const facts_;
  Check* const check_;
  uint64_t batches_ = 0;
  uint64_t bytes_ = 0;
  uint64_t chunk_rows_ = 0;       // in the family
  uint64_t chunk_rows_used_ = 0;  // that had batches

  PartitionKey key_;
  Partition* partition_ = nullptr;
  Span* span_ = nullptr;
  std::unique_ptr<storage::ReadOnlyStore::Cursor> chunks_;  // of the partition
  // The chunk row the current batch should be in, rebuilt from the batches as far as they are
  // known.
  std::optional<storage::ChunkRow> chunk_;
  std::string chunk_key_;
  Offset chunk_base_;
  size_t in_chunk_ = 0;
  bool chunk_comparable_ = true;
  storage::ChunkBuilder builder_;
  storage::LookupBuilder lookup_builder_;
  LookupCheck lookups_;
};

void FamilyCheck::run() {
  const auto rows = store_.scan(place(), storage::Key(), storage::Key().after_prefix());
  std::string last_key;
  for (; rows->valid(); rows->next()) {
    last_key = rows->key();
    const auto parts = storage::parse_log_key(last_key);
    if (!parts) {
      const auto lookup = storage::parse_lookup_key(last_key);
      if (lookup && facts_->partitions.count(lookup->partition) > 0) continue;
      find(rows->key(), "is no key of the log");
      continue;
    }
    if (is_imported(*parts)) continue;
    if (parts->kind == storage::LogKind::chunk) {
      ++chunk_rows_;
      continue;
    }
    if (partition_ == nullptr || !(parts->partition == key_)) {
      end_partition();
      begin_partition(parts->partition);
    }
    take(rows->key(), rows->value());
  }
  const std::string error = rows->error();
  if (!error.empty()) unreadable(error, last_key);
  end_partition();
  if (error.empty() && chunk_rows_ != chunk_rows_used_) {
    check_->add({"month " + std::to_string(family_.first.value()),
                 std::to_string(chunk_rows_ - chunk_rows_used_) +
                     " chunk rows describe batches that are not there",
                 kRestore});
  }
}

// Rows of an import that has not come to its end: nobody reads them.
bool FamilyCheck::is_imported(const storage::LogKeyParts& parts) const {
  const auto found = facts_->partitions.find(parts.partition);
  if (found == facts_->partitions.end() || !found->second.import) return false;
  const storage::ImportRow& import = *found->second.import;
  return import.month == family_.first && import.holds(parts.base_offset) &&
         parts.base_offset < found->second.log_start;
}

// What follows in this family is unknown: nothing more is concluded from its absence.
void FamilyCheck::unreadable(const std::string& error, std::string_view last_key) {
  const std::string behind = last_key.empty() ? "month " + std::to_string(family_.first.value())
                                              : "behind " + where(last_key);
  check_->add({behind, "cannot be read: " + error,
               "the device or file is damaged: " + std::string(kRestore)});
  chunk_.reset();
  for (auto& [key, partition] : facts_->partitions) {
    const bool here = family_.second.value() == 0 || family_.second == key.tenant;
    for (Span& span : partition.spans) {
      if (!here || span.row.month != family_.first) continue;
      span.unreadable = true;
      partition.unreadable = true;
    }
  }
}

void FamilyCheck::begin_partition(const PartitionKey& key) {
  key_ = key;
  partition_ = &facts_->partitions[key];
  span_ = nullptr;
  const auto prefix = storage::log_prefix(storage::LogKind::chunk, key);
  chunks_ = store_.scan(place(), prefix, prefix.after_prefix());
  chunk_.reset();
}

void FamilyCheck::end_partition() {
  if (partition_ == nullptr) return;
  end_chunk();
  lookups_.flush();
  partition_ = nullptr;
}

void FamilyCheck::take(std::string_view key, std::string_view value) {
  const Offset base = storage::parse_log_key(key)->base_offset;
  ++batches_;
  bytes_ += value.size();
  Batch batch;
  if (!read(key, value, &batch)) {
    // Its numbers cannot be believed: the month's cannot be compared either.
    if (Span* span = partition_->span_of(base)) span->unreadable = true;
    partition_->unreadable = true;
    return;
  }
  if (batch.header.base_offset != base.value())
    find(key, "holds a batch of offset " + std::to_string(batch.header.base_offset));
  place_batch(key, base, batch);
  if (span_ != nullptr) compare_with_chunk(base, batch);
}

bool FamilyCheck::read(std::string_view key, std::string_view value, Batch* batch) {
  const auto opened = storage::open_value(value);
  if (!opened) {
    find(key, "has no envelope of this version");
    return false;
  }
  batch->append_time_us = opened->append_time_us;
  const auto stored = std::as_bytes(std::span(opened->batch));
  auto error = storage::check_header(stored, &batch->header);
  if (error == storage::BatchError::ok && batch->header.codec() == storage::Codec::none) {
    const auto records = stored.subspan(storage::kBatchHeaderSize);
    error = storage::walk(records, batch->header, &batch->summary);
    batch->summary_known = true;
  }
  if (error == storage::BatchError::ok) return true;
  find(key, std::string(storage::to_string(error)));
  return false;
}

void FamilyCheck::place_batch(std::string_view key, Offset base, const Batch& batch) {
  const Offset end = base + batch.header.record_count;
  Span* span = partition_->span_of(base);
  if (span != span_) end_chunk();
  span_ = span;
  if (span == nullptr) return find(key, "no month of its partition begins at or before it");
  if (span->row.month != family_.first) {
    return find(key, "lies in this month, but its offset belongs to month " +
                         std::to_string(span->row.month.value()));
  }
  const Offset expected = span->begun ? span->end : std::max(span->first, partition_->log_start);
  if (base != expected && !span->unreadable)
    find(key, "follows offset " + text_of(expected) + ": offsets between them are missing");
  if (base < partition_->log_start) find(key, "lies in front of the start of its log");
  if (batch.append_time_us < partition_->last_append_us && span->begun)
    find(key, "was appended before the batch in front of it");
  partition_->last_append_us = batch.append_time_us;
  span->begun = true;
  span->end = end;
}

// The chunk row that covers `base`, if there is one. Rows in front of it have no batch at all.
void FamilyCheck::begin_chunk(Offset base) {
  for (; chunks_->valid(); chunks_->next()) {
    const auto parts = storage::parse_log_key(chunks_->key());
    if (!parts) continue;
    if (parts->base_offset > base) return;
    auto row = storage::ChunkRow::decode(chunks_->value());
    if (!row) {
      find(chunks_->key(), "is no chunk row");
      continue;
    }
    chunk_base_ = parts->base_offset;
    if (chunk_base_ + row->last_offset_delta < base) continue;
    chunk_key_ = chunks_->key();
    chunk_ = std::move(row);
    ++chunk_rows_used_;
    chunks_->next();
    in_chunk_ = 0;
    chunk_comparable_ = true;
    builder_ = {};
    lookup_builder_ = {};
    return;
  }
}

// Batches that are missing or unreadable were reported: the chunk's later ones are compared still.
void FamilyCheck::skip_to(Offset base) {
  while (chunk_ && in_chunk_ < chunk_->batches.size() &&
         chunk_base_ + chunk_->batches[in_chunk_].offset_delta < base) {
    ++in_chunk_;
    chunk_comparable_ = false;
  }
  if (chunk_ && in_chunk_ == chunk_->batches.size()) end_chunk();
}

void FamilyCheck::compare_with_chunk(Offset base, const Batch& batch) {
  skip_to(base);
  if (!chunk_) {
    begin_chunk(base);
    skip_to(base);
  }
  const storage::BatchHeader& header = batch.header;
  if (!chunk_) {
    // Only the newest batches of a partition have none yet: the month does not count them.
    if (base < span_->row_end() && !span_->unreadable)
      find(storage::log_key(storage::LogKind::batch, key_, base).view(),
           "no chunk row describes it");
    return;
  }
  const storage::ChunkRow::Batch& described = chunk_->batches[in_chunk_];
  if (described.size != header.total_size() ||
      described.record_count != static_cast<uint32_t>(header.record_count) ||
      chunk_->first_append_us + described.append_delta_us != batch.append_time_us) {
    find(chunk_key_, "describes batch " + text_of(base) + " otherwise than it is");
    chunk_comparable_ = false;
  }
  storage::MonthRow counted;
  counted.digest = span_->chunked_digest;
  counted.add(header.crc, header.total_size(), static_cast<uint32_t>(header.record_count),
              batch.append_time_us);
  span_->chunked_digest = counted.digest;
  span_->chunked_bytes += header.total_size();
  span_->chunked_end = base + header.record_count;
  chunk_comparable_ = chunk_comparable_ && batch.summary_known;
  if (chunk_comparable_) {
    if (!builder_.empty() && builder_.next_offset() != base)
      chunk_comparable_ = false;
    else {
      builder_.add(header, batch.append_time_us, batch.summary);
      lookup_builder_.add(header, batch.append_time_us, batch.summary);
    }
  }
  if (++in_chunk_ == chunk_->batches.size()) end_chunk();
}

void FamilyCheck::end_chunk() {
  if (!chunk_) return;
  if (in_chunk_ != chunk_->batches.size()) {
    find(chunk_key_, "describes " + std::to_string(chunk_->batches.size()) + " batches, " +
                         std::to_string(in_chunk_) + " of them are there");
  } else if (chunk_comparable_ && !(builder_.finish() == *chunk_)) {
    find(chunk_key_, "its types or look-ups are not those of its batches");
  }
  const bool whole = chunk_comparable_ && in_chunk_ == chunk_->batches.size();
  lookups_.expect(key_, *partition_, chunk_base_,
                  whole ? lookup_builder_.finish() : std::vector<storage::LookupBuilder::Row>());
  chunk_.reset();
  builder_ = {};
  lookup_builder_ = {};
}

// ---- the months' numbers

void check_span(const PartitionKey& key, const Partition& partition, const Span& span, bool last,
                Check* check) {
  const auto where =
      storage::to_text(storage::Table::state, storage::months_key(key, span.first).view());
  const auto find = [&](const std::string& what) { check->add({where, what, kRestore}); };
  const bool trimmed = partition.log_start > span.first;
  const Offset wanted = std::max(span.row_end(), partition.log_start);
  const Offset chunked = span.begun ? std::max(span.chunked_end, partition.log_start) : wanted;
  if (!span.begun && span.row_end() > partition.log_start)
    return find("counts " + std::to_string(span.row.events) + " events, the log has none");
  if (chunked != wanted)
    return find("ends at offset " + text_of(wanted) + ", its chunks at " + text_of(chunked));
  if (!last && span.begun && span.end != span.row_end())
    return find("ends at offset " + text_of(span.row_end()) + ", its batches at " +
                text_of(span.end));
  if (!span.begun) return;
  const uint64_t gone = trimmed ? static_cast<uint64_t>(partition.trimmed_bytes) : 0;
  if (span.chunked_bytes + gone != span.row.bytes)
    find("counts " + std::to_string(span.row.bytes) + " bytes, the log has " +
         std::to_string(span.chunked_bytes + gone));
  if (!trimmed && span.chunked_digest != span.row.digest)
    find("its digest is not that of its batches");
}

}  // namespace

Check check_log(const storage::ReadOnlyStore& store, Facts* facts) {
  Check check{"log", {}, {}, 0};
  uint64_t batches = 0;
  uint64_t bytes = 0;
  for (const auto& family : store.log_families()) {
    FamilyCheck one(store, family, facts, &check);
    one.run();
    batches += one.batches();
    bytes += one.bytes();
  }
  for (auto& [key, partition] : facts->partitions) {
    for (size_t i = 0; i < partition.spans.size(); ++i) {
      const Span& span = partition.spans[i];
      const bool last = i + 1 == partition.spans.size();
      if (!span.unreadable) check_span(key, partition, span, last, &check);
      partition.end = std::max({partition.end, span.end, span.row_end()});
    }
  }
  check.covered = std::to_string(batches) + " batches, " + std::to_string(bytes) + " bytes";
  return check;
}

}  // namespace headrace::doctor
