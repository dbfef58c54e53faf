// RocksDB's options for our families, each with its reason. What matters is read back after open,
// because RocksDB silently changes some: the start fails then, with the names.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <memory>
#include <string>

#include "storage/keys.h"
#include "storage/rocks/rocks_options.h"

namespace headrace::storage {

// Immutable after construction; shared by open and by families made later.
class EngineOptions {
 public:
  explicit EngineOptions(const RocksOptions& options);

  rocksdb::DBOptions db;             // `env` and `listeners` are added by the store
  rocksdb::ColumnFamilyOptions log;  // log families
  // offsets, retry, delayed, dlq, audit, rollup, dedup, state; and RocksDB's `default`.
  rocksdb::ColumnFamilyOptions family(Table table) const;

 private:
  rocksdb::ColumnFamilyOptions state_;
};

// Names and values of the options that RocksDB runs with otherwise than asked; empty if none.
std::string changed_options(const EngineOptions& wanted, const rocksdb::DBOptions& actual);
std::string changed_options(const rocksdb::ColumnFamilyOptions& wanted,
                            const rocksdb::Options& actual);

}  // namespace headrace::storage
