// Our keys as RocksDB's slices, which do not own what they name.
#pragma once

#include <rocksdb/slice.h>

#include "storage/keys.h"

namespace headrace::storage {

inline rocksdb::Slice slice(const Key& key) {
  return {key.view().data(), key.size()};
}

}  // namespace headrace::storage
