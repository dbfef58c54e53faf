#include "storage/rocks/fair_queue.h"

#include <algorithm>

#include "metrics/check.h"

namespace headrace::storage {

void FairQueue::push(const Submitted& set, int64_t now_us) {
  Waiting waiting{set, TenantId(0), std::max<uint32_t>(set.commit->weight, 1), false};
  const auto& mutations = set.commit->set.mutations();
  const auto first = std::ranges::find(mutations, Op::put_batch, &Mutation::op);
  waiting.events = first != mutations.end();
  if (waiting.events) {
    waiting.tenant = first->place.tenant;
    publishers_.note(waiting.tenant, now_us);
  } else if (!mutations.empty()) {
    waiting.tenant = mutations.front().place.tenant;
  }
  auto& sets = shards_[set.commit->set.shard];
  if (sets.empty()) turn_.push_back(set.commit->set.shard);
  sets.push_back(waiting);
  bytes_ += set.bytes;
}

const Submitted* FairQueue::next(size_t room, Of of) {
  const Waiting* best = nullptr;
  double best_start = 0;
  for (size_t i = 0; i < turn_.size(); ++i) {
    const Waiting& head = shards_.at(turn_[i]).front();
    if (of == Of::without_events && head.events) continue;
    if (of == Of::not_ahead && ahead_.contains(head.tenant)) continue;
    const double start = clock_.start_of(head.tenant);
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
  ahead_.insert(taken.tenant);
  clock_.serve(taken.tenant, static_cast<double>(taken.set.bytes), taken.weight);
  if (turn_.empty()) clock_.reset();
  return taken.set;
}

}  // namespace headrace::storage
