// Months of a tenant: dropped by hand, and brought back from a file. As api.h; docs/months.md.
#pragma once

#include <string>
#include <vector>

#include "broker/core/api.h"

namespace headrace::core {

// Of all partitions of the topic, in one set; or nothing of it.
struct DropMonth final : RequestOf<Request::Kind::drop_month> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  Month month;
  bool force = false;       // acked groups let go of it first; busy until they have
  bool check_only = false;  // says what would be refused, or dropped
  std::string why;
  // out
  uint32_t partitions = 0;  // that had something of it
  int64_t events = 0;
  int64_t bytes = 0;
};

// What follows is put in front of the log, event by event at its old offset, and is part of it with
// the last one. An earlier import there that did not come to its end is forgotten.
struct BeginImport final : RequestOf<Request::Kind::begin_import> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  PartitionId partition;
  Month month;
  Offset first;
  Offset end;
  uint32_t digest = 0;    // as in MonthRow
  std::string file_hash;  // for the trail
  bool present = false;   // out: exactly these events are in the log
};

struct ImportBatches final : RequestOf<Request::Kind::import_batches> {
  using RequestOf::RequestOf;
  struct Item {
    SharedBytes batch;  // checked by the session
    storage::BatchHeader header;
    storage::Summary summary;
    storage::Violations violations;
    int64_t append_time_us = 0;
  };
  TopicPtr topic;
  PartitionId partition;
  std::vector<Item> items;
  // out
  Offset next;
  bool done = false;
};

}  // namespace headrace::core
