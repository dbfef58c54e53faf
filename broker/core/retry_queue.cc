#include "broker/core/retry_queue.h"

#include <algorithm>

#include "broker/limits.h"
#include "metrics/log.h"
#include "storage/byte_reader.h"

namespace headrace::core {

// Owns itself until the rows are there; the queue may be gone by then.
struct RetryQueue::Refill final : storage::Scan {
  void run() override {
    std::unique_ptr<Refill> self(this);
    if (auto queue = alive.lock()) (*queue)->on_refilled(*this);
  }
  std::weak_ptr<RetryQueue*> alive;
};

RetryQueue::RetryQueue(const PartitionKey& partition, GroupId group, LaneId lane, Rows rows,
                       Ctx* ctx, std::function<void()> changed)
    : partition_(partition),
      group_(group),
      lane_(lane),
      rows_(rows),
      ctx_(ctx),
      changed_(std::move(changed)),
      alive_(std::make_shared<RetryQueue*>(this)) {}

RetryQueue::~RetryQueue() = default;

storage::Place RetryQueue::place() const {
  return {storage::Table::retry, Month(0), partition_.tenant};
}

storage::Key RetryQueue::key_of(const Order& order) const {
  return storage::retry_key(partition_, group_, lane_, std::get<0>(order), std::get<1>(order),
                            std::get<2>(order));
}

storage::Key RetryQueue::key_of(const RetryEntry& entry) const {
  return key_of(order_of(entry));
}

void RetryQueue::set_count(uint64_t count) {
  count_ = count;
  more_ = count > 0;
  refill();
}

RetryEntryPtr RetryQueue::put(RetryEntry entry, Committable* who) {
  auto& writes = ctx_->writes(who);
  entry.written_sequence = ctx_->sequence();
  writes.put(place(), key_of(entry), entry.encode());
  while (!unwritten_.empty() && unwritten_.front().first <= ctx_->committed_sequence()) {
    unwritten_.pop_front();
  }
  if (unwritten_.empty() || unwritten_.back().first != entry.written_sequence) {
    unwritten_.emplace_back(entry.written_sequence, entry.offset);
  }
  unwritten_.back().second = std::min(unwritten_.back().second, entry.offset);
  ++count_;
  auto put = std::make_shared<const RetryEntry>(std::move(entry));
  if (put->due_us != RetryEntry::kBehindKey) insert(put);
  return put;
}

// Entries beyond what memory knows stay on disk until it gets there. During a read everything is
// kept: the read may have passed the place without seeing it.
void RetryQueue::insert(RetryEntryPtr entry) {
  const Order order = order_of(*entry);
  if (more_ && !reading_ && order > known_to_) {
    left_out_sequence_ = std::max(left_out_sequence_, entry->written_sequence);
    return;
  }
  heads_[order] = std::move(entry);
  trim();
}

void RetryQueue::trim() {
  if (reading_ || heads_.size() <= 2 * limits::kRetryHeads) return;
  while (heads_.size() > limits::kRetryHeads) {
    auto last = std::prev(heads_.end());
    left_out_sequence_ = std::max(left_out_sequence_, last->second->written_sequence);
    heads_.erase(last);
  }
  known_to_ = heads_.rbegin()->first;
  more_ = true;
}

void RetryQueue::remove(const RetryEntry& entry, Committable* who) {
  const Order order = order_of(entry);
  ctx_->writes(who).single_remove(place(), key_of(order));
  HR_CHECK(count_ > 0);
  --count_;
  heads_.erase(order);
  taken_.erase(order);
  forget_removed();
  removed_[order] = ctx_->sequence();
}

// A read that begins now does not see them any more.
void RetryQueue::forget_removed() {
  if (reading_ || others_reading_ > 0) return;
  std::erase_if(removed_,
                [&](const auto& row) { return row.second <= ctx_->committed_sequence(); });
}

bool RetryQueue::claim(const RetryEntryPtr& entry) {
  const Order order = order_of(*entry);
  if (taken_.contains(order) || removed_.contains(order)) return false;
  heads_.erase(order);
  taken_.emplace(order, entry);
  return true;
}

Offset RetryQueue::oldest_unwritten() const {
  Offset oldest(INT64_MAX);
  for (const auto& [sequence, offset] : unwritten_) {
    if (sequence > ctx_->committed_sequence()) oldest = std::min(oldest, offset);
  }
  return oldest;
}

RetryEntryPtr RetryQueue::take_due(int64_t now_us) {
  if (heads_.empty() || heads_.begin()->first > Order{now_us, Offset(INT64_MAX), UINT32_MAX}) {
    refill();
    return nullptr;
  }
  auto first = heads_.begin();
  while (first != heads_.end() && std::get<0>(first->first) <= now_us &&
         first->second->written_sequence > ctx_->committed_sequence()) {
    ++first;
  }
  if (first == heads_.end() || std::get<0>(first->first) > now_us) return nullptr;
  RetryEntryPtr entry = std::move(first->second);
  taken_.emplace(first->first, entry);
  heads_.erase(first);
  refill();
  return entry;
}

void RetryQueue::give_back(RetryEntryPtr entry) {
  taken_.erase(order_of(*entry));
  heads_[order_of(*entry)] = std::move(entry);
}

int64_t RetryQueue::next_due_us() const {
  for (const auto& [order, entry] : heads_) {
    if (entry->written_sequence <= ctx_->committed_sequence()) return std::get<0>(order);
  }
  return INT64_MAX;
}

RetryEntryPtr RetryQueue::find(Offset offset) const {
  for (const auto* entries : {&heads_, &taken_}) {
    for (const auto& [order, entry] : *entries) {
      if (entry->offset == offset) return entry;
    }
  }
  return nullptr;
}

std::optional<storage::Key> RetryQueue::unread_from() const {
  if (!more_) return std::nullopt;
  const Order never{RetryEntry::kNever, Offset(0), 0};
  if (std::get<0>(known_to_) < 0) {
    return rows_ == Rows::blocked ? key_of(never)
                                  : storage::retry_prefix(partition_, group_, lane_);
  }
  return key_of(known_to_).append(uint8_t{0});
}

storage::Key RetryQueue::end_of_rows() const {
  if (rows_ == Rows::parked) return key_of(Order{RetryEntry::kBehindKey, Offset(0), 0});
  return storage::retry_prefix(partition_, group_, lane_).after_prefix();
}

void RetryQueue::refill() {
  if (reading_ || !more_ || heads_.size() > limits::kRetryHeads / 4) return;
  // What was left out must be there to be seen.
  if (left_out_sequence_ > ctx_->committed_sequence()) return;
  forget_removed();
  auto* scan = new Refill;
  scan->alive = alive_;
  scan->place = place();
  scan->from = *unread_from();
  scan->to = end_of_rows();
  scan->max_rows = limits::kRetryHeads;
  scan->sink = ctx_->sink();
  reading_ = true;
  ctx_->store().scan(scan);
}

void RetryQueue::on_refilled(Refill& refill) {
  reading_ = false;
  if (refill.status != storage::Status::ok) {
    log::error("reading parked events failed; it is tried again with the next one due",
               {{"group", group_.value()}, {"status", storage::to_string(refill.status)}});
    return;
  }
  Order last = known_to_;
  for (const auto& row : refill.rows) {
    auto entry = decode_retry(row.key.view(), storage::as_text(row.value.span()));
    if (!entry) {
      log::error("a parked event's row does not parse; it stays where it is",
                 {{"row", storage::to_text(storage::Table::retry, row.key.view())}});
      continue;
    }
    const Order order = order_of(*entry);
    last = order;
    if (heads_.contains(order) || taken_.contains(order) || removed_.contains(order)) continue;
    heads_.emplace(order, std::make_shared<const RetryEntry>(std::move(*entry)));
  }
  known_to_ = last;
  more_ = refill.more;
  // What was parked meanwhile, behind rows that are still to be read, would be taken before them.
  while (more_ && !heads_.empty() && heads_.rbegin()->first > known_to_) {
    auto behind = std::prev(heads_.end());
    left_out_sequence_ = std::max(left_out_sequence_, behind->second->written_sequence);
    heads_.erase(behind);
  }
  trim();
  if (!refill.rows.empty()) changed_();
}

}  // namespace headrace::core
