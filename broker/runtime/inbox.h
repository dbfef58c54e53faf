// Completions on their way to one reactor: many producers (committer, syncer, workers, admin), one
// consumer. Unbounded by itself; what is in it is bounded by what was asked for (sets in flight,
// reads of parked requests, kForeignRequests).
#pragma once

#include <atomic>

#include "net/io.h"
#include "storage/store.h"

namespace headrace::runtime {

class Inbox final : public storage::CompletionSink {
 public:
  explicit Inbox(net::Io* io) : io_(io) {}

  void post(storage::Completion* completion) noexcept override {
    storage::Completion* head = head_.load(std::memory_order_relaxed);
    do {
      completion->next = head;
    } while (!head_.compare_exchange_weak(head, completion, std::memory_order_release,
                                          std::memory_order_relaxed));
    // Only the first of a batch needs to wake: the consumer takes all that it finds.
    if (head == nullptr) io_->wake();
  }

  // Runs everything that has arrived, oldest first; returns how many. Reactor thread.
  size_t drain() {
    storage::Completion* newest = head_.exchange(nullptr, std::memory_order_acquire);
    storage::Completion* oldest = nullptr;
    while (newest != nullptr) {
      storage::Completion* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    size_t count = 0;
    while (oldest != nullptr) {
      storage::Completion* next = oldest->next;  // run() may free or repost it
      oldest->next = nullptr;
      oldest->run();
      oldest = next;
      ++count;
    }
    return count;
  }

  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

 private:
  net::Io* io_;
  std::atomic<storage::Completion*> head_{nullptr};
};

}  // namespace headrace::runtime
