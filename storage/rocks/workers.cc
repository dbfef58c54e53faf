#include "storage/rocks/workers.h"

#include <algorithm>

#include "storage/fair_bound.h"

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

bool Workers::submit_read(TenantId tenant, Job job) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = reads_.find(tenant);
    const size_t own = known == reads_.end() || tenant == kNodeTenant ? 0 : known->second.size();
    if (!FairBound::admits(own, queued_reads_, max_queued_reads_)) return false;
    ++queued_reads_;
    if (known == reads_.end()) turn_.push_back(tenant);
    reads_[tenant].push_back(std::move(job));
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

Workers::Job Workers::next_read() {
  const TenantId tenant = turn_.front();
  turn_.pop_front();
  const auto line = reads_.find(tenant);
  Job job = std::move(line->second.front());
  line->second.pop_front();
  --queued_reads_;
  if (line->second.empty())
    reads_.erase(line);
  else
    turn_.push_back(tenant);
  return job;
}

void Workers::run(bool takes_slow) {
  std::unique_lock lock(mutex_);
  while (true) {
    Job job;
    if (queued_reads_ > 0) {
      job = next_read();
    } else if (takes_slow && !slow_.empty()) {
      job = std::move(slow_.front());
      slow_.pop_front();
    } else {
      if (stop_) return;
      wake_.wait(lock);
      continue;
    }
    lock.unlock();
    job();
    job = nullptr;  // what it holds is released outside the lock
    lock.lock();
  }
}

}  // namespace headrace::storage
