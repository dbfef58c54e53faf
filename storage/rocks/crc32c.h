// CRC32C in hardware inside RocksDB. Debian builds librocksdb without SSE4.2, so its CRC32C is the
// table version and takes half of all CPU in the log and blob paths. crc32c.cc defines
// rocksdb::crc32c::Extend, which an executable that exports the symbol puts in the place of the
// library's (symbol interposition). If that does not happen - a static RocksDB, an executable that
// does not export it - RocksDB is slower, never wrong: both compute the same function.
// Decision: docs/adr/0001-crc32c-interposition.md.
#pragma once

#include <cstdint>

namespace headrace::storage {

// True if the library asked us for a checksum since the process started: RocksDB computes one for
// every record it appends to the log, so after an open this says which version is in use.
bool crc32c_interposed();

}  // namespace headrace::storage
