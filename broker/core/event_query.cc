#include "broker/core/event_query.h"

namespace headrace::core {

bool EventQuery::may_match(const storage::ChunkRow& row) const {
  using storage::Lookup;
  if (row.last_append_us < from_us || row.first_append_us >= to_us) return false;
  if (!filter.may_match(row)) return false;
  if (row.bloom.bytes().empty()) return true;  // an open chunk has none yet
  if (!id.empty() && !row.may_contain(Lookup::id, id)) return false;
  if (key && !row.may_contain(Lookup::key, *key)) return false;
  return correlation_id.empty() || row.may_contain(Lookup::correlation_id, correlation_id) ||
         row.may_contain(Lookup::id, correlation_id);
}

std::string EventQuery::may_match(const storage::ContentsRow& row) const {
  if (filter.spec().patterns.empty()) return std::string((row.batches.size() + 7) / 8, '\xff');
  std::string batches((row.batches.size() + 7) / 8, '\0');
  const auto add = [&](const std::string& bits) {
    for (size_t i = 0; i < bits.size(); ++i) batches[i] = static_cast<char>(batches[i] | bits[i]);
  };
  add(row.any_type);
  for (const auto& type : row.types) {
    if (filter.matches_type(type.name)) add(type.batches);
  }
  return batches;
}

std::vector<uint64_t> EventQuery::entries() const {
  using storage::Lookup;
  if (!id.empty()) return {lookup_hash(Lookup::id, id)};
  if (!correlation_id.empty()) {
    return {lookup_hash(Lookup::correlation_id, correlation_id),
            lookup_hash(Lookup::id, correlation_id)};
  }
  if (key) return {lookup_hash(Lookup::key, *key)};
  for (const Condition& one : filter.spec().conditions) {
    if (one.op != Condition::Op::equal || one.value.empty()) continue;
    if (one.name == "id") return {lookup_hash(Lookup::id, one.value)};
    if (one.name == "key") return {lookup_hash(Lookup::key, one.value)};
    if (one.name == "correlationid") return {lookup_hash(Lookup::correlation_id, one.value)};
  }
  return {};
}

bool EventQuery::matches(const storage::RecordView& record) const {
  if (key && record.key != *key) return false;
  if (!id.empty() && record.header("ce_id").value_or("") != id) return false;
  if (!correlation_id.empty()) {
    const std::string_view given = record.header("ce_correlationid").value_or("");
    const std::string_view correlation =
        given.empty() ? record.header("ce_id").value_or("") : given;
    if (correlation != correlation_id) return false;
  }
  std::string_view type;
  return read_type(record, &type) && filter.matches({type, record});
}

}  // namespace headrace::core
