// ordering = key: of each key one event is out at a time, in the order of the log. The rules are in
// key_order.h; here they meet the rows.
#include "broker/core/acked_group.h"
#include "broker/core/cursor.h"
#include "broker/limits.h"
#include "metrics/log.h"
#include "storage/byte_reader.h"

namespace headrace::core {

// Owns itself until the rows are there; the cursor may be gone by then.
struct Cursor::KeyPage final : storage::Scan {
  void run() override {
    std::unique_ptr<KeyPage> self(this);
    if (auto cursor = alive.lock()) (*cursor)->on_key_page(*this);
  }
  std::weak_ptr<Cursor*> alive;
};

// After a restart: nothing goes before it is known which keys have parked events. Their rows are at
// most kKeyRowsMax, and max_in_flight that failed at once.
bool Cursor::keys_ready() {
  if (keys_state_ == Keys::ready) return true;
  if (keys_state_ == Keys::reading) return false;
  keys_ = std::make_unique<KeyOrder>();
  const PartitionKey partition = group_->topic()->partition(partition_);
  read_keys(storage::retry_prefix(partition, group_->record()->id, lane_));
  return false;
}

void Cursor::read_keys(storage::Key from) {
  const PartitionKey partition = group_->topic()->partition(partition_);
  const GroupId group = group_->record()->id;
  auto* page = new KeyPage;
  page->alive = alive_;
  page->place = {storage::Table::retry, Month(0), partition.tenant};
  page->from = std::move(from);
  page->to = storage::retry_key(partition, group, lane_, RetryEntry::kNever, Offset(0), 0);
  page->sink = ctx_->sink();
  keys_state_ = Keys::reading;
  ctx_->store().scan(page);
}

void Cursor::on_key_page(KeyPage& page) {
  if (page.status != storage::Status::ok) {
    log::error("reading parked events failed; the group waits until it works",
               {{"group", group_->record()->name}, {"status", storage::to_string(page.status)}});
    keys_state_ = Keys::failed;
    return rearm();
  }
  for (const auto& row : page.rows) {
    auto entry = decode_retry(row.key.view(), storage::as_text(row.value.span()));
    if (!entry) continue;  // reported where retries are read
    if (entry->due_us == RetryEntry::kBehindKey) {
      const uint64_t key = entry->key;
      keys_->restore_waiting(key, std::make_shared<const RetryEntry>(std::move(*entry)));
    } else {
      keys_->restore_parked(entry->offset, entry->key);
    }
  }
  if (page.more) return read_keys(storage::Key(std::string(page.rows.back().key.view()) + '\0'));
  keys_state_ = Keys::ready;
  for (KeyOrder::Waiter& next : keys_->start()) go_on(std::move(next));
  go_on_expiring();
  group_->pump();
}

// The event at next_, which is wanted.
bool Cursor::may_go(const storage::RecordView& record) {
  const uint64_t key = record.key ? key_hash(*record.key) : 0;
  const auto arrival = keys_->arrive(next_, key);
  if (arrival == KeyOrder::Arrival::waits_in_row) put_behind(next_, key);
  return arrival == KeyOrder::Arrival::goes;
}

// Settled: its row is what is left to do.
void Cursor::put_behind(Offset offset, uint64_t key) {
  RetryEntry entry;
  entry.due_us = RetryEntry::kBehindKey;
  entry.offset = offset;
  entry.attempt = 1;
  entry.key = key;
  keys_->wait(offset, key, retries_.put(std::move(entry), group_));
  settle(offset, offset + 1);
}

// It is the first of its key now: handed out with what was given back.
void Cursor::go_on(KeyOrder::Waiter next) {
  HeldRange range;
  range.last = next.offset;
  if (next.row != nullptr) HR_CHECK(retries_.claim(next.row));
  range.retry = std::move(next.row);
  ++again_events_;
  again_.emplace(next.offset, std::move(range));
}

// Acked, a dead letter or blocked: whatever is tried no more lets the next one go.
void Cursor::key_over(Offset offset) {
  if (keys_ == nullptr) return;
  KeyOrder::Waiter next;
  if (keys_->finish(offset, &next)) go_on(std::move(next));
}

// Retention: what waits in memory was given to nobody.
void Cursor::skip_waiting(Offset cut) {
  if (keys_ == nullptr) return;
  for (const Offset offset : keys_->drop_below(cut)) {
    settle(offset, offset + 1);
    group_->count_skipped(partition_, offset, offset + 1, 1);
  }
}

}  // namespace headrace::core
