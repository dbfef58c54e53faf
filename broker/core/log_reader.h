// Reads a partition's batches for a group's cursor: from the tail at once, from the store by
// completion. Holds at most one read's batches (kAcquireBytes, or one batch).
//
// Lives on: owner shard, inside a cursor. Answers come through ShardObjects::on_reply.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "broker/core/ctx.h"
#include "broker/core/type_rollup.h"

namespace headrace::core {

// One batch and how far its records have been walked.
struct BatchWalk {
  StoredBatch stored;
  storage::BatchHeader header;
  std::string inflated;
  std::optional<storage::RecordReader> reader;

  Offset first() const { return Offset(header.base_offset); }
  Offset end() const { return first() + header.record_count; }
  // The record at `offset`, from where the walk is or from the start; `offset` is in the batch.
  storage::BatchError at(Offset offset, storage::RecordView* record);
  // Of all its events, or of the one at `offset`. Statistics inflate nothing: of compressed batches
  // that nobody looked into the types are unknown.
  const BatchTypesPtr& types(TypeRollup& rollup);
  BatchTypesPtr type_at(Offset offset, TypeRollup& rollup);
  // Why the event at `offset` is kept from handlers; nullptr: it is not.
  const storage::Violation* violation(Offset offset) const {
    if (stored.violations == nullptr) return nullptr;
    return stored.violations->find(static_cast<uint32_t>(offset - first()));
  }

 private:
  BatchTypesPtr types_;
  storage::BatchError open();
  Offset position_;  // what the reader yields next; current_ is the one before
  storage::RecordView current_;
};

class LogReader {
 public:
  // `key`: what the answers are found by (group, and which reader of which cursor).
  struct Key {
    TopicPtr topic;
    PartitionId partition;
    uint64_t origin = 0;
    uint32_t ticket = 0;
  };
  enum class State : uint8_t {
    ready,    // batch() holds the offset
    skipped,  // nothing from it to skipped_to() matches
    reading,  // an answer will come
    gone,     // below the log's start: see log_start()
    failed,   // the store; ask again later
  };

  LogReader(Key key, Ctx* ctx);

  // What is read from now on may leave out what does not match both; null: nothing.
  void skip_by(const FilterPtr& group, const FilterPtr& job);
  // How it waits: the group's priority, and its slot in the topic's Matcher.
  void wait_as(uint32_t priority, uint32_t slot) {
    priority_ = priority;
    slot_ = slot;
  }

  // Asks for `offset`; `wait`: also if it is not in the log yet.
  State seek(Offset offset, bool wait);
  BatchWalk& batch() { return batches_.front(); }

  bool owns(const Fetch& fetch) const {
    return fetch.ticket == key_.ticket && fetch.partition == key_.partition;
  }
  bool on_fetched(Fetch& fetch);  // true if it came later, not within seek()
  Offset log_start() const { return log_start_; }
  Offset skipped_to() const { return skipped_to_; }
  // After storage_error seek() answers `failed` for kReadAgainUs: a disk that fails is not asked
  // as fast as it fails.
  static constexpr int64_t kReadAgainUs = 1'000'000;
  const Error& error() const { return error_; }

 private:
  const Key key_;
  Ctx* const ctx_;
  std::deque<BatchWalk> batches_;
  bool reading_ = false;
  bool asking_ = false;
  std::array<FilterPtr, 2> filters_;
  std::array<FilterPtr, 2> asked_by_;  // what the outstanding read skips by
  uint32_t priority_ = 0;
  uint32_t slot_;
  Offset wanted_{-1};
  Offset skipped_from_{-1};
  Offset skipped_to_{-1};
  Offset log_start_;
  Error error_;
  int64_t again_mono_us_ = 0;  // the store could not read: not before
};

}  // namespace headrace::core
