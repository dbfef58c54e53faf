// Reads the events of redriven dead letters for a job's cursor: the log may have lost them. A read
// brings the following letters as well, for a job takes them in order.
//
// Lives on: owner shard, inside a cursor. Holds at most one read's letters (kJobPageRows).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "broker/core/dead_letters.h"
#include "broker/core/log_reader.h"

namespace headrace::core {

class LetterReader {
 public:
  // `letters` outlives this; `changed` runs when a read has come back.
  LetterReader(const DeadLetters* letters, Ctx* ctx, std::function<void()> changed);

  // As LogReader's; gone: the letter was deleted, or holds no event.
  LogReader::State seek(uint64_t sequence);
  BatchWalk& batch() { return *at_; }
  bool failed() const { return failed_; }  // the last read; seek() tries again later

 private:
  struct Page;

  void on_read(Page& page);

  const DeadLetters* const letters_;
  Ctx* const ctx_;
  const std::function<void()> changed_;
  std::map<uint64_t, BatchWalk> walks_;
  BatchWalk* at_ = nullptr;
  uint64_t known_from_ = 0;  // [from, to) has been read
  uint64_t known_to_ = 0;
  bool reading_ = false;
  bool failed_ = false;
  int64_t again_mono_us_ = 0;  // as LogReader's
  std::shared_ptr<LetterReader*> alive_;
};

}  // namespace headrace::core
