// What the reads of dead letters share.
#pragma once

#include <string>

#include "broker/core/catalog.h"
#include "storage/keys.h"
#include "storage/write_set.h"

namespace headrace::core {

inline storage::Place dlq_place(TenantId tenant) {
  return {storage::Table::dlq, Month(0), tenant};
}
inline storage::Key letter_key(const Topic& topic, const GroupRecord& group, uint64_t sequence) {
  return storage::dlq_letter_key(topic.tenant, topic.id, SliceId(0), group.id, sequence);
}
// Where a scan goes on.
inline storage::Key after(const storage::Key& key) {
  return storage::Key(std::string(key.view()) + '\0');
}

}  // namespace headrace::core
