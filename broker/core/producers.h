// Idempotent producers of one partition: for each the last five published ranges, so that a resend
// is answered with the offsets of the original. A producer that is not known (new here, idle for a
// week, or one too many) begins with sequence 0, else it is refused: a later sequence may be one
// that overtook a refused 0, or one whose original was forgotten. Rows are written in the WriteSet
// of the append and loaded back, never rebuilt from batch headers (folded events leave none there).
//
// Lives on: owner shard, inside its Partition.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "broker/core/error.h"
#include "storage/producer_row.h"
#include "storage/types.h"
#include "storage/write_set.h"

namespace headrace::core {

struct ProducerStamp {
  ProducerId id = kNoProducer;
  int16_t epoch = -1;
  int32_t first_sequence = -1;
  int32_t count = 0;
};

class Producers {
 public:
  struct Verdict {
    enum class Kind : uint8_t { fresh, duplicate, refused } kind = Kind::fresh;
    Error error;                  // refused
    Offset base_offset;           // duplicate: of the original
    int64_t append_time_us = 0;   // duplicate
    Epoch epoch;                  // duplicate: of the shard that appended its original
    uint64_t write_sequence = 0;  // duplicate: the set its original is in, 0: long committed
  };

  void load(std::string_view row_key, std::string_view row);

  Verdict check(const ProducerStamp& stamp) const;
  struct Appended {
    Offset base_offset;
    int64_t append_time_us = 0;
    Epoch epoch;                  // the shard's
    uint64_t write_sequence = 0;  // of the set that carries it
    int64_t used_us = 0;          // the producer's last sign of life
  };
  // After the append; writes the row. Forgets the longest idle producer when there are too many.
  void record(const ProducerStamp& stamp, const Appended& appended, const PartitionKey& partition,
              storage::WriteSet* writes);
  // Removes those that were idle for kProducerIdleUs.
  void expire(int64_t now_wall_us, const PartitionKey& partition, storage::WriteSet* writes);
  bool anything_to_expire(int64_t now_wall_us) const;

  size_t size() const { return producers_.size(); }

 private:
  struct Producer {
    storage::ProducerRow row;
    uint64_t write_sequence = 0;  // of the newest range
  };
  void forget_idlest(const PartitionKey& partition, storage::WriteSet* writes);

  std::unordered_map<ProducerId, Producer> producers_;
};

}  // namespace headrace::core
