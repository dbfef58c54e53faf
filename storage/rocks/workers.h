// Threads that may block on the disk: reads, scans, compactions. Two bounded queues: thread 0 takes
// reads only, so that a long compaction never holds them all.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headrace::storage {

class Workers {
 public:
  using Job = std::function<void()>;

  Workers(int threads, size_t max_queued_reads);  // at least two threads
  ~Workers();                                     // runs what is queued

  // Any thread. False if the queue is full: the caller answers `full`.
  bool submit_read(Job job);
  // Committer only, at most a few a day: compactions and the destruction of dropped families.
  void submit_slow(Job job);

 private:
  void run(bool takes_slow);

  const size_t max_queued_reads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> reads_;
  std::deque<Job> slow_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace headrace::storage
