#include "storage/rocks/crc32c.h"

#include <atomic>
#include <cstddef>

#include "metrics/crc32c.h"

namespace {
std::atomic<bool> called{false};
}

namespace rocksdb::crc32c {

// Same signature as in the library's util/crc32c.h, which is not an installed header.
__attribute__((visibility("default"), used)) uint32_t Extend(uint32_t crc, const char* data,
                                                             size_t size) {
  if (!called.load(std::memory_order_relaxed)) called.store(true, std::memory_order_relaxed);
  return headrace::crc32c_extend(crc, data, size);
}

}  // namespace rocksdb::crc32c

namespace headrace::storage {

bool crc32c_interposed() {
  return called.load(std::memory_order_relaxed);
}

}  // namespace headrace::storage
