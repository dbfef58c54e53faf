// Memory for large frames that are arriving, of all connections of one reactor together: without it
// every connection could announce the largest frame and have its block at once. Full: a connection
// waits, not receiving, in the order of asking; small frames need no grant and pass.
//
// Lives on: the reactor. Connections are named by their session's origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

namespace headrace::native {

class ReceiveBudget {
 public:
  explicit ReceiveBudget(size_t bytes) : free_bytes_(bytes) {}

  // True if `origin` holds memory for its frame (it is taken now, or was granted). False: it is
  // in the queue, and next() names it when its turn has come. A frame is never above the budget.
  bool take(uint64_t origin, size_t bytes);
  // The frame is complete, or its connection is gone: what it held is free, its place in the queue
  // given up.
  void release(uint64_t origin);
  // Grants the first in the queue its memory if there is enough; its origin.
  std::optional<uint64_t> next();

  size_t free_bytes() const { return free_bytes_; }
  size_t waiting() const { return queue_.size(); }

 private:
  struct Holder {
    size_t bytes = 0;
    bool granted = false;  // else waiting
  };

  void grant(Holder* holder);
  void drop_gone();

  size_t free_bytes_;
  std::unordered_map<uint64_t, Holder> holders_;
  std::deque<uint64_t> queue_;  // those who left stay until they are first
};

}  // namespace headrace::native
