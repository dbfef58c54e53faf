// A tenant's month as a file: its topics, which offsets of which partitions it holds, then their
// batches byte for byte as they are stored, then counts and a hash. Layout: docs/formats.md.
//
// Read and written once from front to back, in memory for one batch. A file that was cut off, or
// in which a bit is another one, is refused; whoever imports one reads it to its end first.
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/sha256.h"
#include "storage/batch.h"
#include "storage/month.h"

namespace headrace::storage {

struct MonthFileHeader {
  struct Topic {
    TopicId id;
    std::string name;
    uint32_t partitions = 0;

    bool operator==(const Topic&) const = default;
  };
  struct Range {         // of one partition; not empty
    uint32_t topic = 0;  // of `topics`
    PartitionId partition;
    Offset first;
    Offset end;

    bool operator==(const Range&) const = default;
  };
  std::string cluster_id;
  std::string tenant;
  Month month{197001};
  int64_t created_us = 0;
  std::vector<Topic> topics;
  std::vector<Range> ranges;  // by topic, then partition

  bool operator==(const MonthFileHeader&) const = default;
};

struct MonthFileTotals {
  uint64_t batches = 0;
  uint64_t events = 0;
  uint64_t bytes = 0;             // of batches
  std::vector<uint32_t> digests;  // of each range, as in MonthRow
  Sha256 hash{};                  // of everything in front of it
};

struct MonthFileBatch {
  uint32_t range = 0;
  int64_t append_time_us = 0;
  std::string bytes;       // record batch v2 with its base offset
  std::string violations;  // of it, encoded (violations.h); empty: none
  BatchHeader header;
};

constexpr size_t kMonthFileHeaderBytesMax = 16u << 20;
constexpr size_t kMonthFileBatchBytesMax = 64u << 20;

// What both know of the ranges so far: each complete before the next one begins, offsets dense,
// append times not going back.
class MonthFileCheck {
 public:
  void begin(const MonthFileHeader* header);
  std::string take(uint32_t range, const BatchHeader& batch, int64_t append_time_us);  // "": fine
  std::string end() const;
  const MonthFileTotals& totals() const { return totals_; }

 private:
  const MonthFileHeader* header_ = nullptr;
  std::vector<MonthRow> rows_;  // by range
  uint32_t range_ = 0;
  Offset next_;
  MonthFileTotals totals_;
};

class MonthFileWriter {
 public:
  // Whether the bytes were written.
  using Sink = std::function<bool(std::string_view)>;

  explicit MonthFileWriter(Sink sink) : sink_(std::move(sink)) {}

  // False, and error(): the sink failed, or what is given is no part of such a file.
  bool begin(const MonthFileHeader& header);
  bool add(uint32_t range, int64_t append_time_us, std::string_view batch,
           std::string_view violations = {});
  bool finish(MonthFileTotals* totals);
  const std::string& error() const { return error_; }
  uint64_t bytes() const { return check_.totals().bytes; }

 private:
  bool put(std::string_view bytes);
  bool fail(std::string why);

  const Sink sink_;
  MonthFileHeader header_;
  MonthFileCheck check_;
  Sha256Sum sum_;
  std::string error_;
};

class MonthFileReader {
 public:
  // Fills as many of `size` bytes as there are; less only at the end of the file.
  using Source = std::function<size_t(char* to, size_t size)>;

  explicit MonthFileReader(Source source) : source_(std::move(source)) {}

  enum class Next : uint8_t { batch, end, damaged };
  bool open();  // reads the header; false: error() says why
  Next next(MonthFileBatch* batch);
  const MonthFileHeader& header() const { return header_; }
  const MonthFileTotals& totals() const { return totals_; }  // after Next::end
  const std::string& error() const { return error_; }

 private:
  bool take(size_t size, std::string* into);
  Next fail(std::string why);
  Next take_batch(size_t size, MonthFileBatch* batch);
  Next take_trailer(size_t size);

  const Source source_;
  MonthFileHeader header_;
  MonthFileCheck check_;
  MonthFileTotals totals_;
  Sha256Sum sum_;
  std::string error_;
  bool ended_ = false;
};

}  // namespace headrace::storage
