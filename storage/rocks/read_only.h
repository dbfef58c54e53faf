// A data directory looked at from outside, while no broker serves it. Nothing in it is made,
// removed, repaired or written, not even RocksDB's own log; what the write-ahead log still holds is
// read into memory.
//
// One thread. Cursors must not outlive the store.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/write_set.h"

namespace headrace::storage {

class ReadOnlyStore {
 public:
  // nullptr with a sentence in *error: no data directory, newer format, served by a broker,
  // corrupt.
  static std::unique_ptr<ReadOnlyStore> open(const std::string& data_dir, std::string* error);
  ~ReadOnlyStore();

  // The rows of one family from a key on, in key order.
  class Cursor {
   public:
    virtual ~Cursor() = default;
    virtual bool valid() const = 0;  // false: the end, or error() says what could not be read
    virtual std::string_view key() const = 0;
    virtual std::string_view value() const = 0;
    virtual void next() = 0;
    virtual std::string error() const = 0;  // RocksDB's words; "" if none
  };
  // `from` up to but not including `to`. No rows if the place has no family.
  std::unique_ptr<Cursor> scan(const Place& place, const Key& from, const Key& to) const;

  // Every log family: its month, and its tenant (0: shared by the pooled ones).
  const std::vector<std::pair<Month, TenantId>>& log_families() const;

 private:
  class Parts;
  explicit ReadOnlyStore(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace headrace::storage
