#include "storage/rocks/workers.h"

#include <algorithm>

namespace headrace::storage {

Workers::Workers(int threads, size_t max_queued_reads) : max_queued_reads_(max_queued_reads) {
  for (int i = 0; i < std::max(threads, 2); ++i) {
    threads_.emplace_back([this, i] { run(i != 0); });
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Workers::submit_read(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (reads_.size() >= max_queued_reads_) return false;
    reads_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Workers::submit_slow(Job job) {
  {
    const std::lock_guard lock(mutex_);
    slow_.push_back(std::move(job));
  }
  wake_.notify_all();  // one of the threads does not take slow jobs
}

void Workers::run(bool takes_slow) {
  std::unique_lock lock(mutex_);
  while (true) {
    std::deque<Job>* queue = nullptr;
    if (!reads_.empty())
      queue = &reads_;
    else if (takes_slow && !slow_.empty())
      queue = &slow_;
    if (queue == nullptr) {
      if (stop_) return;
      wake_.wait(lock);
      continue;
    }
    Job job = std::move(queue->front());
    queue->pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds is released outside the lock
    lock.lock();
  }
}

}  // namespace headrace::storage
