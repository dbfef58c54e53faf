#include "broker/core/publish_queue.h"

#include <algorithm>

#include "metrics/check.h"
#include "storage/fair_bound.h"
#ifdef HEADRACE_PLANTED
#include "metrics/planted.h"
#endif

namespace headrace::core {

bool PublishQueue::admits(TenantId tenant, size_t most) const {
  const auto line = lines_.find(tenant);
  return FairBound::admits(line == lines_.end() ? 0 : line->second.size(), size_, most);
}

void PublishQueue::push(TenantId tenant, Waiting waiting) {
  auto& line = lines_[tenant];
  if (line.empty()) order_.emplace(clock_.start_of(tenant), tenant);
  line.push_back(std::move(waiting));
  ++size_;
}

PublishQueue::Waiting PublishQueue::pop() {
  HR_CHECK(!order_.empty());
  const TenantId tenant = order_.begin()->second;
  order_.erase(order_.begin());
  const auto line = lines_.find(tenant);
  Waiting taken = std::move(line->second.front());
  line->second.pop_front();
  --size_;
  double amount = static_cast<double>(std::max<int64_t>(taken.bytes, 1));
#ifdef HEADRACE_PLANTED
  // A planted bug that the simulation must find: nobody's turn ends while it has more.
  if (planted("fairness")) amount = 0;
#endif
  clock_.serve(tenant, amount, taken.weight);
  if (line->second.empty())
    lines_.erase(line);
  else
    order_.emplace(clock_.start_of(tenant), tenant);
  if (size_ == 0) clock_.reset();
  return taken;
}

std::deque<RequestPtr> PublishQueue::take_all() {
  std::deque<RequestPtr> all;
  while (!empty()) all.push_back(pop().request);
  return all;
}

}  // namespace headrace::core
