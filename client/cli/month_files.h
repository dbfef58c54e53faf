// What the verbs of months share: a file on disk as the reader and the writer of its format want
// it, pauses that keep to a rate, and progress for people. Main thread.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "storage/month_file.h"

namespace headrace::cli {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

storage::MonthFileReader reader_of(std::FILE* file);
storage::MonthFileWriter writer_of(std::FILE* file);
bool sync_file(std::FILE* file);  // everything is on the disk

class Pace {
 public:
  // `rate_bytes` a second; 0: as fast as it goes.
  Pace(uint64_t rate_bytes, uint64_t total_events);
  void moved(uint64_t bytes, uint64_t events);  // may sleep
  ~Pace();

 private:
  const uint64_t rate_bytes_;
  const uint64_t total_events_;
  const bool watched_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  uint64_t bytes_ = 0;
  uint64_t events_ = 0;
};

}  // namespace headrace::cli
