// Threads that may block on the disk or compute for long: reads, scans, other work, compactions.
// Two bounded queues: thread 0 takes no compactions, so that a long one never holds them all. Of
// what waits one thing of each tenant goes in turn: who reads the log from its beginning, replays
// it or has large events validated waits behind itself, and the bound is shared by tenants
// (storage/fair_bound.h).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "storage/types.h"

namespace headrace::storage {

class Workers {
 public:
  using Job = std::function<void()>;

  Workers(int threads, size_t max_queued_reads);  // at least two threads
  ~Workers();                                     // runs what is queued

  // Any thread. False if the queue is full for the tenant: the caller answers `full`.
  bool submit_read(TenantId tenant, Job job);
  // Committer only, at most a few a day: compactions and the destruction of dropped families.
  void submit_slow(Job job);

 private:
  void run(bool takes_slow);
  Job next_read();

  const size_t max_queued_reads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<TenantId, std::deque<Job>> reads_;  // of tenants that wait
  std::deque<TenantId> turn_;                            // each of them once
  size_t queued_reads_ = 0;
  std::deque<Job> slow_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace headrace::storage
