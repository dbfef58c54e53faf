#include "storage/rocks/committer.h"

#include <algorithm>

#include "metrics/check.h"
#include "metrics/counters.h"

namespace headrace::storage {
namespace {

constexpr size_t kGroupBytes = 1u << 20;
constexpr size_t kMinGroupBytes = 64u << 10;
constexpr uint64_t kGroupMs = 3;        // of measured device time
constexpr uint64_t kSharedGroupMs = 1;  // while several tenants publish
constexpr size_t kGroupSets = 4'096;
// A larger group gains more from the next one being written while it is synced than it loses by the
// hop to the syncer.
constexpr size_t kInlineSyncBytes = 32u << 10;

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
  bool interrupt = false;
  {
    const std::lock_guard lock(mutex_);
    incoming_.push_back(item);
    has_incoming_.store(true, std::memory_order_relaxed);
    wake = sleeping_;
    interrupt = watched_ && item.work == nullptr;
    if (interrupt) interrupted_.store(true);
  }
  if (wake) wake_.notify_one();
  if (interrupt) syncer_->nudge();
}

void Committer::run() {
  while (take()) {
    distribute();
    write_groups(Newer::join);
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
      queue_.push(item.set, mono_now_us());
      continue;
    }
    write_groups(Newer::wait);
    // What was submitted before completes before.
    if (dead_ || !syncer_->wait_synced(last_started())) return;
    maintain_(item.work);
  }
}

void Committer::write_groups(Newer newer) {
  while (!queue_.empty() && !dead_) {
    const bool shared = queue_.shared(mono_now_us());
    if (shared) wait_room(newer);
    if (dead_ || queue_.empty()) return;
    if (!write(next_group(group_bound(shared)))) dead_ = true;
  }
}

// What is written ahead is synced at once with what comes next: the less it is, the sooner that is
// done. So each tenant has one turn ahead, and nobody waits for two syncs behind another's.
void Committer::wait_room(Newer newer) {
  while (!syncer_->has_room()) {
    if (newer == Newer::join) absorb(Watch::on);
    const size_t bound = group_bound(true);
    if (queue_.next(bound, FairQueue::Of::not_ahead) == nullptr) {
      syncer_->wait_room(interrupted_);
    } else if (!write(joining_group(bound))) {
      dead_ = true;
      return;
    }
  }
  if (newer == Newer::join) absorb(Watch::off);
  queue_.nothing_ahead();
}

// What came meanwhile has its turn, too. Maintenance waits for what is before it.
void Committer::absorb(Watch watch) {
  const int64_t now_us = mono_now_us();
  const std::lock_guard lock(mutex_);
  size_t sets = 0;
  while (sets < incoming_.size() && incoming_[sets].work == nullptr) {
    queue_.push(incoming_[sets++].set, now_us);
  }
  incoming_.erase(incoming_.begin(), incoming_.begin() + static_cast<std::ptrdiff_t>(sets));
  has_incoming_.store(stop_ || !incoming_.empty(), std::memory_order_relaxed);
  interrupted_.store(false);
  watched_ = watch == Watch::on;
}

size_t Committer::group_bound(bool shared) const {
  const uint64_t most_ms = shared ? kSharedGroupMs : kGroupMs;
  const size_t device = static_cast<size_t>(syncer_->bytes_per_ms() * most_ms);
  return std::clamp(device, kMinGroupBytes, kGroupBytes);
}

Group Committer::next_group(size_t bound) {
  Group group;
  // When not everything fits, acks and other small state must not wait behind events.
  if (queue_.bytes() > bound) fill(&group, bound, FairQueue::Of::without_events);
  fill(&group, bound, FairQueue::Of::all);
  add(&group);
  return group;
}

// One set of each tenant that has nothing in front of the next sync.
Group Committer::joining_group(size_t bound) {
  Group group;
  fill(&group, bound, FairQueue::Of::not_ahead);
  add(&group);
  return group;
}

void Committer::add(Group* group) {
  for (const Submitted& submitted : group->sets) {
    group->durable |= submitted.commit->set.durability == Durability::durable;
    writer_.add(submitted.commit);
  }
}

// As long as there is room; the first set always fits.
void Committer::fill(Group* group, size_t bound, FairQueue::Of of) {
  while (group->sets.size() < kGroupSets) {
    const size_t room = group->bytes == 0 ? SIZE_MAX : bound - std::min(bound, group->bytes);
    const Submitted* next = queue_.next(room, of);
    if (next == nullptr) return;
    group->bytes += next->bytes;
    group->sets.push_back(queue_.pop());
  }
}

bool Committer::should_sync_inline(const Group& group) const {
  return group.durable && group.bytes <= kInlineSyncBytes && queue_.empty() &&
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
