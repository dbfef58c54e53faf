// What retention takes from a cursor: the backlog below the cut is skipped; what was delivered and
// is not settled, parked or blocked becomes a dead letter, whatever their quota says.
#include "broker/core/acked_group.h"
#include "broker/core/cursor.h"
#include "broker/limits.h"
#include "metrics/log.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

constexpr const char* kExpired = "retention: the log is not kept any longer";

}  // namespace

// Owns itself until the rows are there; the cursor may be gone by then.
struct Cursor::ExpiryPage final : storage::Scan {
  void run() override {
    std::unique_ptr<ExpiryPage> self(this);
    if (auto cursor = alive.lock()) (*cursor)->on_expiry_page(*this);
  }
  std::weak_ptr<Cursor*> alive;
};

Offset Cursor::oldest_in_memory() const {
  return std::min(
      {settled_.floor(), retries_.oldest_unwritten(), blocked_.rows().oldest_unwritten()});
}

void Cursor::expire_below(Offset cut) {
  expire_to_ = std::max(expire_to_, cut);
  skip_backlog(cut);
  skip_waiting(cut);
  const Failure failure{FailureReason::expired, kExpired, -1, true, nullptr};
  for (const auto& [first, range] : held_.take_below(cut)) {
    returned(first, range);
    fail_piece(first, range, failure);
  }
  while (!again_.empty() && again_.begin()->first < cut) {
    auto [first, range] = std::move(*again_.begin());
    again_.erase(again_.begin());
    if (range.last >= cut) {
      again_.emplace(cut, range);
      range.last = cut + -1;
    }
    again_events_ -= range.events(first);
    fail_piece(first, range, failure);
  }
  if (has_rows() && !expiring_) {
    expire_from_ =
        storage::retry_prefix(group_->topic()->partition(partition_), group_->record()->id, lane_);
  }
  bury();
  go_on_expiring();
  rearm();
}

// Nobody was given it: it is settled, and the group's row counts it.
void Cursor::skip_backlog(Offset cut) {
  if (next_ >= cut) return;
  const Offset from = next_;
  int64_t events = 0;
  for (Offset at = settled_.next_open(next_); at < cut; at = settled_.next_open(at)) {
    const Offset end = settled_.open_until(at, cut);
    events += end - at;
    settle(at, end);
  }
  next_ = cut;
  if (events > 0) group_->count_skipped(partition_, from, cut, events);
}

// A page of the rows at a time, when the one before has become dead letters.
void Cursor::go_on_expiring() {
  if (!expire_from_ || expiring_ || !dying_.empty() || !keys_ready()) return;
  const auto prefix =
      storage::retry_prefix(group_->topic()->partition(partition_), group_->record()->id, lane_);
  auto* page = new ExpiryPage;
  page->alive = alive_;
  page->place = {storage::Table::retry, Month(0), group_->topic()->tenant};
  page->from = *std::exchange(expire_from_, std::nullopt);
  page->to = prefix.after_prefix();
  page->max_rows = limits::kRetryHeads;
  page->sink = ctx_->sink();
  expiring_ = true;
  retries_.pause_forgetting(true);
  blocked_.rows().pause_forgetting(true);
  ctx_->store().scan(page);
}

void Cursor::on_expiry_page(ExpiryPage& page) {
  expiring_ = false;
  if (page.status != storage::Status::ok) {
    log::error("reading parked events failed; retention tries it again",
               {{"group", group_->record()->name}, {"status", storage::to_string(page.status)}});
  }
  for (const auto& row : page.rows) {
    auto decoded = decode_retry(row.key.view(), storage::as_text(row.value.span()));
    if (!decoded || decoded->offset >= expire_to_) continue;
    auto entry = std::make_shared<const RetryEntry>(std::move(*decoded));
    RetryQueue& queue = entry->due_us == RetryEntry::kNever ? blocked_.rows() : retries_;
    if (queue.claim(entry)) expire(std::move(entry));
  }
  if (page.more) expire_from_ = storage::Key(std::string(page.rows.back().key.view()) + '\0');
  retries_.pause_forgetting(false);
  blocked_.rows().pause_forgetting(false);
  bury();
  go_on_expiring();
  rearm();
}

void Cursor::expire(RetryEntryPtr entry) {
  if (keys_ != nullptr) keys_->drop(entry->offset, entry->key);
  Dying dying{entry->offset, entry->offset + 1, entry->attempts, FailureReason::expired,
              kExpired,      nullptr,           nullptr};
  dying.retry = std::move(entry);
  dying_.push_back(std::move(dying));
}

}  // namespace headrace::core
