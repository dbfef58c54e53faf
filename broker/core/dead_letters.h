// The dead letters of one group: whole events with the history of their attempts (family dlq).
// A letter is written once per origin: its second key says that the move was made.
//
// Lives on: owner shard, inside its group. Counts are in the group's row, written with every move.
#pragma once

#include <cstdint>
#include <memory>

#include "broker/core/api_acked.h"
#include "broker/core/ctx.h"

namespace headrace::records {
class GroupHealth;
}

namespace headrace::core {

class DeadLetters {
 public:
  DeadLetters(GroupPtr group, TopicPtr topic, Ctx* ctx)
      : group_(std::move(group)), topic_(std::move(topic)), ctx_(ctx) {}

  // Into this turn's set; gives the letter its sequence.
  void put(DeadLetter letter, Committable* who);
  void list(std::unique_ptr<ListDeadLetters> request) const;

  int64_t count() const { return count_; }
  int64_t bytes() const { return bytes_; }

  void encode(records::GroupHealth* row) const;
  void decode(const records::GroupHealth& row);

 private:
  struct Page;

  const GroupPtr group_;
  const TopicPtr topic_;
  Ctx* const ctx_;
  uint64_t next_ = 1;
  int64_t count_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace headrace::core
