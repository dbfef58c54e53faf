#include "broker/core/publish_queue.h"

#include <algorithm>

#include "metrics/check.h"

namespace headrace::core {

void PublishQueue::push(TenantId tenant, Waiting waiting) {
  Line& line = lines_[tenant];
  if (line.waiting.empty()) {
    line.weight = waiting.weight;
    line.start = std::max(line.start, now_);
    order_.emplace(line.start, tenant);
  }
  line.waiting.push_back(std::move(waiting));
  ++size_;
}

PublishQueue::Waiting PublishQueue::pop() {
  HR_CHECK(!order_.empty());
  const TenantId tenant = order_.begin()->second;
  order_.erase(order_.begin());
  Line& line = lines_.at(tenant);
  Waiting taken = std::move(line.waiting.front());
  line.waiting.pop_front();
  --size_;
  now_ = line.start;
  line.start += static_cast<double>(std::max<int64_t>(taken.bytes, 1)) / line.weight;
  if (!line.waiting.empty()) order_.emplace(line.start, tenant);
  if (size_ == 0) {
    lines_.clear();
    now_ = 0;
  }
  return taken;
}

std::deque<RequestPtr> PublishQueue::take_all() {
  std::deque<RequestPtr> all;
  while (!empty()) all.push_back(pop().request);
  return all;
}

}  // namespace headrace::core
