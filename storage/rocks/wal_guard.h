// A file system that ends the process at the first failed write or sync of a write-ahead log,
// before RocksDB hears of it: once a log file has failed, RocksDB asserts on the next use of it,
// and another thread may be on its way there already. It also knows which file it was.
//
// Threads: all of RocksDB's. Everything else passes through.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

#include "storage/rocks/fatal.h"

namespace headrace::storage {

// `fatal` outlives the file system. Under a test's on_fatal, which returns, the error goes on to
// RocksDB.
std::shared_ptr<rocksdb::FileSystem> guard_wal(const std::shared_ptr<rocksdb::FileSystem>& target,
                                               const Fatal* fatal);

}  // namespace headrace::storage
