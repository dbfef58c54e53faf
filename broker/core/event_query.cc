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
