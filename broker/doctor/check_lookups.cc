#include "broker/doctor/check_lookups.h"

namespace headrace::doctor {

void LookupCheck::Digest::add(uint8_t bucket, std::string_view row) {
  ++rows;
  sum += storage::lookup_hash(static_cast<storage::Lookup>(bucket), row);  // in any order
}

void LookupCheck::find(Offset base, const std::string& what) {
  check_->add({"month " + std::to_string(place_.month.value()) + ", look-up rows of " +
                   name_of(key_) + "@" + std::to_string(base.value()),
               what, kRestore});
}

void LookupCheck::expect(const PartitionKey& key, const Partition& partition, Offset base,
                         const std::vector<storage::LookupBuilder::Row>& rows) {
  const int64_t segment = base.value() >> storage::kLookupSegmentBits;
  if (!(key == key_) || segment != segment_) flush();
  key_ = key;
  segment_ = segment;
  log_start_ = partition.log_start;
  Chunk& chunk = chunks_[base];
  chunk.comparable = !rows.empty();
  chunk.required = base >= partition.lookups_from && base < partition.lookups_end;
  for (const auto& [bucket, row] : rows) chunk.wanted.add(bucket, row);
}

void LookupCheck::flush() {
  if (chunks_.empty()) return;
  const auto rows = store_.scan(place_, storage::lookup_prefix(key_, segment_),
                                storage::lookup_prefix(key_, segment_ + 1));
  for (; rows->valid(); rows->next()) {
    const auto parts = storage::parse_lookup_key(rows->key());
    if (!parts) continue;  // whoever reads the whole family reports it
    const auto chunk = chunks_.find(parts->chunk_base);
    if (chunk != chunks_.end()) {
      chunk->second.found.add(parts->bucket, rows->value());
    } else if (parts->chunk_base >= log_start_) {
      find(parts->chunk_base, "describe a chunk that is not there");
    }
  }
  if (const std::string error = rows->error(); !error.empty()) {
    find(chunks_.begin()->first, "cannot be read: " + error);
    chunks_.clear();
  }
  for (const auto& [base, chunk] : chunks_) {
    if (!chunk.comparable) continue;
    if (chunk.found.rows == 0) {
      if (chunk.required) find(base, "are missing: searches do not find its events");
    } else if (!(chunk.found == chunk.wanted)) {
      find(base, "are not those of its batches: searches may miss events");
    }
  }
  chunks_.clear();
}

}  // namespace headrace::doctor
