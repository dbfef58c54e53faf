#include "storage/rocks/committer.h"

#include <algorithm>

#include "metrics/check.h"
#include "metrics/counters.h"

namespace headrace::storage {
namespace {

constexpr size_t kGroupBytes = 1u << 20;
constexpr size_t kMinGroupBytes = 64u << 10;
constexpr uint64_t kGroupMs = 3;  // of measured device time
constexpr size_t kGroupSets = 4'096;
// A larger group gains more from the next one being written while it is synced than it loses by the
// hop to the syncer.
constexpr size_t kInlineSyncBytes = 32u << 10;

bool holds_events(const WriteSet& set) {
  return std::any_of(set.mutations().begin(), set.mutations().end(),
                     [](const Mutation& mutation) { return mutation.op == Op::put_batch; });
}

}  // namespace

Committer::Committer(const RocksOptions& options, rocksdb::DB* db, Families* families,
                     Syncer* syncer, PressureGauge* gauge, const Fatal* fatal, uint64_t last_group,
                     Maintain maintain)
    : options_(options),
      db_(db),
      syncer_(syncer),
      gauge_(gauge),
      fatal_(fatal),
      maintain_(std::move(maintain)),
      writer_(db, families, last_group),
      started_(last_group),
      thread_([this] { run(); }) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    has_incoming_.store(true, std::memory_order_relaxed);
  }
  wake_.notify_one();
  thread_.join();
}

void Committer::submit(Commit* commit) {
  // An empty set counts too: the budget bounds the number of sets as well.
  const uint64_t bytes = std::max<uint64_t>(commit->set.bytes(), 1);
  gauge_->add(bytes);
  push(Item{{commit, bytes}, nullptr});
}

void Committer::submit(Maintenance* work) {
  push(Item{{}, work});
}

void Committer::push(Item item) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    incoming_.push_back(item);
    has_incoming_.store(true, std::memory_order_relaxed);
    wake = sleeping_;
  }
  if (wake) wake_.notify_one();
}

void Committer::run() {
  while (take()) {
    distribute();
    write_groups();
    if (dead_) return;
  }
}

bool Committer::take() {
  taken_.clear();
  if (options_.committer_spin_us > 0) spin();
  std::unique_lock lock(mutex_);
  sleeping_ = true;
  wake_.wait(lock, [this] { return stop_ || !incoming_.empty(); });
  sleeping_ = false;
  if (incoming_.empty()) return false;
  taken_.swap(incoming_);
  has_incoming_.store(stop_, std::memory_order_relaxed);
  return true;
}

void Committer::spin() {
  const int64_t until_us = mono_now_us() + options_.committer_spin_us;
  while (!has_incoming_.load(std::memory_order_relaxed) && mono_now_us() < until_us) {
    __builtin_ia32_pause();
  }
}

void Committer::distribute() {
  for (const Item& item : taken_) {
    if (item.work == nullptr) {
      enqueue(item.set);
      continue;
    }
    write_groups();
    // What was submitted before completes before.
    if (dead_ || !syncer_->wait_synced(last_started())) return;
    maintain_(item.work);
  }
}

void Committer::enqueue(const Submitted& set) {
  const ShardId shard = set.commit->set.shard;
  auto& sets = queues_[shard].sets;
  if (sets.empty()) turn_.push_back(shard);
  sets.push_back(set);
  queued_bytes_ += set.bytes;
}

void Committer::write_groups() {
  while (!turn_.empty() && !dead_) {
    if (!write(next_group())) dead_ = true;
  }
}

Group Committer::next_group() {
  Group group;
  const size_t device = static_cast<size_t>(syncer_->bytes_per_ms() * kGroupMs);
  const size_t bound = std::clamp(device, kMinGroupBytes, kGroupBytes);
  // When not everything fits, acks and other small state must not wait behind events.
  if (queued_bytes_ > bound) fill(&group, bound, true);
  fill(&group, bound, false);
  for (const Submitted& submitted : group.sets) {
    group.durable |= submitted.commit->set.durability == Durability::durable;
    writer_.add(submitted.commit);
  }
  return group;
}

// One set of each shard in turn, as long as there is room; the first set always fits.
void Committer::fill(Group* group, size_t bound, bool without_events) {
  size_t passed = 0;  // shards looked at in a row that gave nothing
  while (passed < turn_.size() && group->sets.size() < kGroupSets) {
    const ShardId shard = turn_.front();
    auto& sets = queues_[shard].sets;
    const Submitted& next = sets.front();
    const bool later = without_events && holds_events(next.commit->set);
    if (!later && group->bytes > 0 && group->bytes + next.bytes > bound) return;
    turn_.pop_front();
    if (later) {
      turn_.push_back(shard);
      ++passed;
      continue;
    }
    passed = 0;
    group->bytes += next.bytes;
    queued_bytes_ -= next.bytes;
    group->sets.push_back(next);
    sets.pop_front();
    if (!sets.empty()) turn_.push_back(shard);
  }
}

bool Committer::should_sync_inline(const Group& group) const {
  return group.durable && group.bytes <= kInlineSyncBytes && turn_.empty() &&
         !has_incoming_.load(std::memory_order_relaxed) && syncer_->idle();
}

bool Committer::write(Group group) {
  group.number = writer_.seal(syncer_->synced());
  // Before the write: who takes a snapshot and reads this afterwards knows what it may contain.
  started_.store(group.number, std::memory_order_seq_cst);
  rocksdb::WriteOptions options;
  options.sync = should_sync_inline(group);
  const int64_t start_us = mono_now_us();
  const rocksdb::Status status = db_->Write(options, writer_.batch());
  if (!status.ok()) {
    (*fatal_)("writing the log failed", status);
    syncer_->die();
    return false;
  }
  group.written_us = mono_now_us();
  metrics::add(metrics::Counter::commit_groups);
  if (options.sync) {
    metrics::add(metrics::Counter::syncs);
    metrics::record(metrics::Timing::sync_latency, group.written_us - start_us);
  }
  for (const Submitted& submitted : group.sets) {
    Commit* commit = submitted.commit;
    if (commit->written != nullptr && commit->status == Status::ok) {
      commit->sink->post(commit->written);
    }
  }
#ifdef HEADRACE_PLANTED
  // A planted bug that the power-cut test must find: the ack leaves before the sync.
  syncer_->complete_synced(std::move(group));
  return db_->SyncWAL().ok();
#endif
  if (options.sync)
    syncer_->complete_synced(std::move(group));
  else
    syncer_->hand_over(std::move(group));
  return true;
}

bool Committer::remove_range_now(const FamilyRef& family, const Key& from, const Key& to) {
  writer_.remove_range(family, from, to);
  Group group;
  group.durable = true;
  const uint64_t number = started_.load(std::memory_order_relaxed) + 1;
  if (!write(std::move(group))) dead_ = true;
  return !dead_ && syncer_->wait_synced(number);
}

}  // namespace headrace::storage
