// The end of the process after a failed write, sync or flush (exit_codes.h).
#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "storage/rocks/rocks_options.h"

namespace headrace::storage {

class Fatal {
 public:
  explicit Fatal(const RocksOptions& options) : options_(options) {}

  // Logs what failed with RocksDB's message, which names the file, and ends the process. Returns
  // only under a test's on_fatal; the caller must then do no more work.
  void operator()(std::string_view what, const rocksdb::Status& status) const;

 private:
  const RocksOptions& options_;
};

}  // namespace headrace::storage
