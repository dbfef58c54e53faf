#include "broker/core/delayed_queue.h"

#include <algorithm>

#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"
#include "metrics/utf8.h"
#include "storage/byte_reader.h"
#include "storage/violations.h"

namespace headrace::core {

// Owns itself until the rows are there; the queue may be gone by then.
struct DelayedQueue::Refill final : storage::Scan {
  void run() override {
    std::unique_ptr<Refill> self(this);
    if (auto queue = alive.lock()) (*queue)->on_refilled(*this);
  }
  std::weak_ptr<DelayedQueue*> alive;
  uint64_t mark = 0;
};

DelayedQueue::DelayedQueue(const PartitionKey& partition, Ctx* ctx, std::function<void()> changed)
    : partition_(partition),
      ctx_(ctx),
      changed_(std::move(changed)),
      alive_(std::make_shared<DelayedQueue*>(this)) {}

DelayedQueue::~DelayedQueue() {
  metrics::add(metrics::Gauge::delayed_events, -count_);
}

storage::Place DelayedQueue::place() const {
  return {storage::Table::delayed, Month(0), partition_.tenant};
}

void DelayedQueue::load_totals(std::string_view row) {
  storage::ByteReader reader(row);
  const auto count = reader.take<int64_t>();
  const auto bytes = reader.take<int64_t>();
  if (!reader.finished() || count < 0 || bytes < 0) {
    // The entries are what counts; a wrong total only moves the bound.
    log::error("the totals of delayed events do not parse",
               {{"row", storage::to_text(storage::Table::delayed,
                                         storage::delayed_totals_key(partition_).view())}});
  } else {
    count_ = count;
    bytes_ = bytes;
    metrics::add(metrics::Gauge::delayed_events, count_);
  }
  more_ = true;
}

void DelayedQueue::write_totals(Committable* who) {
  const storage::Key key = storage::delayed_totals_key(partition_);
  if (count_ == 0) return ctx_->writes(who).remove(place(), key);
  std::string row;
  storage::append_be(&row, count_);
  storage::append_be(&row, bytes_);
  ctx_->writes(who).put(place(), key, std::move(row));
}

Error DelayedQueue::room_for(size_t events, size_t bytes) const {
  if (count_ + static_cast<int64_t>(events) > limits::kDelayedPerPartition) {
    return {ErrorCode::limit_reached, "delayed events of a partition: at most " +
                                          std::to_string(limits::kDelayedPerPartition)};
  }
  if (bytes_ + static_cast<int64_t>(bytes) > limits::kDelayedBytesPerPartition) {
    return {ErrorCode::limit_reached, "bytes of delayed events of a partition: at most " +
                                          std::to_string(limits::kDelayedBytesPerPartition)};
  }
  return {};
}

DelayedQueue::Accepted DelayedQueue::put(int64_t due_us, const storage::EventFields& event,
                                         std::string_view violation, Committable* who) {
  auto& writes = ctx_->writes(who);
  Entry entry;
  entry.order = {due_us, delayed_sequence(ctx_->epoch(), next_count_++)};
  entry.written_sequence = ctx_->sequence();
  Accepted accepted{entry.order.sequence, std::string(own_id(event))};
  if (accepted.id.empty()) accepted.id = delayed_id(partition_, entry.order.sequence);
  entry.id = storage::id_hash(accepted.id);
  entry.event = build_event(event, accepted.id);
  // As much as a stored batch keeps of it.
  entry.violation = clean_utf8(violation, storage::kViolationTextMax);
  std::string row = encode_delayed({entry.event, ctx_->now().wall_us, entry.violation});
  entry.row_bytes = row.size();
  std::string size;
  storage::append_be(&size, static_cast<uint32_t>(row.size()));
  writes.put(place(), storage::delayed_entry_key(partition_, due_us, entry.order.sequence),
             std::move(row));
  writes.put(place(), storage::delayed_id_key(partition_, entry.id, due_us, entry.order.sequence),
             std::move(size));
  ++count_;
  bytes_ += static_cast<int64_t>(entry.row_bytes);
  metrics::add(metrics::Gauge::delayed_events, 1);
  write_totals(who);
  insert(std::move(entry));
  return accepted;
}

// Entries beyond what memory knows stay on disk until it gets there. During a read everything is
// kept: the read may have passed the place without seeing it.
void DelayedQueue::insert(Entry entry) {
  if (more_ && !reading_ && entry.order > known_to_) {
    left_out_sequence_ = std::max(left_out_sequence_, entry.written_sequence);
    return;
  }
  head_bytes_ += entry.row_bytes;
  const DelayedOrder order = entry.order;
  heads_.emplace(order, std::move(entry));
  trim();
}

void DelayedQueue::drop_last_head() {
  auto last = std::prev(heads_.end());
  left_out_sequence_ = std::max(left_out_sequence_, last->second.written_sequence);
  head_bytes_ -= last->second.row_bytes;
  heads_.erase(last);
}

void DelayedQueue::trim() {
  const bool full = heads_.size() > 2 * limits::kDelayedHeads ||
                    (head_bytes_ > 2 * limits::kDelayedHeadBytes && heads_.size() > 1);
  if (reading_ || !full) return;
  while (heads_.size() > 1 &&
         (heads_.size() > limits::kDelayedHeads || head_bytes_ > limits::kDelayedHeadBytes)) {
    drop_last_head();
  }
  known_to_ = heads_.rbegin()->first;
  more_ = true;
}

void DelayedQueue::remove(const DelayedOrder& order, const IdHash& id, size_t row_bytes,
                          Committable* who) {
  auto& writes = ctx_->writes(who);
  writes.single_remove(place(),
                       storage::delayed_entry_key(partition_, order.due_us, order.sequence));
  writes.single_remove(place(),
                       storage::delayed_id_key(partition_, id, order.due_us, order.sequence));
  --count_;
  bytes_ -= static_cast<int64_t>(row_bytes);
  metrics::add(metrics::Gauge::delayed_events, -1);
  write_totals(who);
  const auto head = heads_.find(order);
  if (head != heads_.end()) {
    head_bytes_ -= head->second.row_bytes;
    heads_.erase(head);
  }
  forget_removed();
  removals_.emplace_back(ctx_->sequence(), order);
  removed_.insert(order);
}

// A read sees nothing of what was removed before it began.
void DelayedQueue::forget_removed() {
  const uint64_t seen_by_all = reads_.empty() ? ctx_->committed_sequence() : *reads_.begin();
  while (!removals_.empty() && removals_.front().first <= seen_by_all) {
    removed_.erase(removals_.front().second);
    removals_.pop_front();
  }
}

uint64_t DelayedQueue::begin_read() {
  const uint64_t mark = ctx_->committed_sequence();
  reads_.insert(mark);
  return mark;
}

void DelayedQueue::end_read(uint64_t mark) {
  reads_.erase(reads_.find(mark));
  forget_removed();
}

std::vector<DelayedQueue::Entry> DelayedQueue::take_due(int64_t now_us, size_t max_events,
                                                        size_t max_bytes, Committable* who) {
  std::vector<Entry> taken;
  size_t bytes = 0;
  for (auto head = heads_.begin(); head != heads_.end() && head->first.due_us <= now_us; ++head) {
    const Entry& entry = head->second;
    if (entry.written_sequence > ctx_->committed_sequence()) continue;
    if (taken.size() == max_events || (bytes > 0 && bytes + entry.row_bytes > max_bytes)) break;
    bytes += entry.row_bytes;
    taken.push_back(entry);
  }
  for (const Entry& entry : taken) remove(entry.order, entry.id, entry.row_bytes, who);
  refill();
  return taken;
}

bool DelayedQueue::cancel(const DelayedOrder& order, const IdHash& id, size_t row_bytes,
                          Committable* who) {
  if (removed_.contains(order)) return false;
  remove(order, id, row_bytes, who);
  return true;
}

int64_t DelayedQueue::next_due_us() const {
  for (const auto& [order, entry] : heads_) {
    if (entry.written_sequence <= ctx_->committed_sequence()) return order.due_us;
  }
  return INT64_MAX;
}

void DelayedQueue::refill() {
  if (reading_ || !more_ || heads_.size() > limits::kDelayedHeads / 4) return;
  if (head_bytes_ > limits::kDelayedHeadBytes / 4) return;
  // What was left out must be there to be seen.
  if (left_out_sequence_ > ctx_->committed_sequence()) return;
  auto* scan = new Refill;
  scan->alive = alive_;
  scan->mark = begin_read();
  scan->place = place();
  const auto prefix = storage::delayed_prefix(partition_);
  scan->from = known_to_.due_us < 0 ? prefix
                                    : storage::delayed_entry_key(partition_, known_to_.due_us,
                                                                 known_to_.sequence + 1);
  scan->to = prefix.after_prefix();
  scan->max_rows = limits::kDelayedHeads;
  scan->max_bytes = limits::kDelayedHeadBytes;
  scan->sink = ctx_->sink();
  reading_ = true;
  ctx_->store().scan(scan);
}

void DelayedQueue::on_refilled(Refill& read) {
  reading_ = false;
  if (read.status != storage::Status::ok) {
    end_read(read.mark);
    log::error("reading delayed events failed; it is tried again",
               {{"topic", partition_.topic.value()},
                {"partition", partition_.partition.value()},
                {"status", storage::to_string(read.status)}});
    return;
  }
  for (const auto& row : read.rows) {
    const auto parts = storage::parse_delayed_key(row.key.view());
    auto decoded = decode_delayed(row.value.view());
    OpenedEvent opened;
    if (parts) known_to_ = {parts->due_us, parts->sequence};
    if (!parts || !decoded || !open_event(decoded->event, &opened)) {
      log::error("a delayed event's row does not parse; it stays where it is",
                 {{"row", storage::to_text(storage::Table::delayed, row.key.view())}});
      continue;
    }
    if (heads_.contains(known_to_) || removed_.contains(known_to_)) continue;
    const IdHash id = storage::id_hash(opened.id);
    head_bytes_ += row.value.size();
    heads_.emplace(known_to_, Entry{known_to_, std::move(decoded->event),
                                    std::move(decoded->violation), id, row.value.size(), 0});
  }
  more_ = read.more;
  end_read(read.mark);
  // What was put during the read and lies behind its end: others may lie between.
  while (more_ && !heads_.empty() && heads_.rbegin()->first > known_to_) drop_last_head();
  trim();
  refill();
  changed_();
}

}  // namespace headrace::core
