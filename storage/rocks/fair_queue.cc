#include "storage/rocks/fair_queue.h"

#include <algorithm>

#include "metrics/check.h"

namespace headrace::storage {
namespace {

constexpr int64_t kSharedUs = 1'000'000;  // so long two tenants count as beside each other
constexpr TenantId kNobody{UINT32_MAX};

}  // namespace

void FairQueue::push(const Submitted& set, int64_t now_us) {
  Waiting waiting{set, TenantId(0), std::max<uint32_t>(set.commit->weight, 1), false};
  const auto& mutations = set.commit->set.mutations();
  const auto first = std::ranges::find(mutations, Op::put_batch, &Mutation::op);
  waiting.events = first != mutations.end();
  if (waiting.events) {
    waiting.tenant = first->place.tenant;
    if (last_tenant_ != waiting.tenant) {
      if (last_tenant_ != kNobody) shared_until_us_ = now_us + kSharedUs;
      last_tenant_ = waiting.tenant;
    }
  } else if (!mutations.empty()) {
    waiting.tenant = mutations.front().place.tenant;
  }
  auto& sets = shards_[set.commit->set.shard];
  if (sets.empty()) turn_.push_back(set.commit->set.shard);
  sets.push_back(waiting);
  bytes_ += set.bytes;
}

double FairQueue::start_of(const Waiting& head) const {
  const auto known = tenants_.find(head.tenant);
  return known == tenants_.end() ? now_ : std::max(now_, known->second.served);
}

const Submitted* FairQueue::next(size_t room, bool without_events) {
  const Waiting* best = nullptr;
  double best_start = 0;
  for (size_t i = 0; i < turn_.size(); ++i) {
    const Waiting& head = shards_.at(turn_[i]).front();
    if (without_events && head.events) continue;
    const double start = start_of(head);
    if (best != nullptr && start >= best_start) continue;
    best = &head;
    best_start = start;
    chosen_ = i;
  }
  return best == nullptr || best->set.bytes > room ? nullptr : &best->set;
}

Submitted FairQueue::pop() {
  HR_CHECK(chosen_ < turn_.size());
  const ShardId shard = turn_[chosen_];
  turn_.erase(turn_.begin() + static_cast<std::ptrdiff_t>(chosen_));
  auto& sets = shards_.at(shard);
  const Waiting taken = sets.front();
  sets.pop_front();
  if (!sets.empty()) turn_.push_back(shard);
  bytes_ -= taken.set.bytes;
  now_ = start_of(taken);
  tenants_[taken.tenant].served = now_ + static_cast<double>(taken.set.bytes) / taken.weight;
  if (turn_.empty()) {
    tenants_.clear();
    now_ = 0;
  }
  return taken.set;
}

}  // namespace headrace::storage
