// A month on its way back into a partition. Its rows are written in front of the log, where nobody
// looks, and become part of it by one set. Until then a row of `state` says whose they are
// (storage::ImportRow), so that they can be told from damage and removed.
//
// Lives on: the shard's reactor, inside its Partition; forgotten with it.
#pragma once

#include <cstdint>
#include <string>

#include "broker/core/api_months.h"
#include "broker/core/log_index.h"
#include "storage/month.h"

namespace headrace::core {

class MonthImport {
 public:
  // Nothing of it may be later than `latest_us`.
  MonthImport(const BeginImport& begun, const PartitionKey& partition, int64_t latest_us);

  // invalid_request unless the items go on where those before ended.
  Error check(const ImportBatches& request) const;
  void add(const ImportBatches& request, storage::WriteSet* writes);

  Offset next() const { return front_.next_offset(); }
  bool complete() const { return next() == row_.end; }
  // Complete: the last chunk gets its row. corrupt_batch if the digest is not what was announced.
  Error close(storage::WriteSet* writes);
  const LogIndex& front() const { return front_; }
  const storage::ImportRow& row() const { return row_; }
  const std::string& file_hash() const { return file_hash_; }

  // The set that makes it part of the log; 0: not submitted yet.
  uint64_t sequence = 0;

 private:
  void copy_log_rows(const storage::WriteSet& from, storage::WriteSet* to) const;

  const storage::ImportRow row_;
  const uint32_t digest_;
  const std::string file_hash_;
  const int64_t latest_us_;
  LogIndex front_;
};

}  // namespace headrace::core
