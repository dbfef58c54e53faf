// What the reads of dead letters share.
#pragma once

#include <string>

#include "storage/keys.h"
#include "storage/write_set.h"

namespace headrace::core {

inline storage::Place dlq_place(TenantId tenant) {
  return {storage::Table::dlq, Month(0), tenant};
}
// Where a scan goes on.
inline storage::Key after(const storage::Key& key) {
  return storage::Key(std::string(key.view()) + '\0');
}

}  // namespace headrace::core
