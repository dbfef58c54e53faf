// What retention asks of an acked group: how far back it needs a partition, and to let go of what
// is below a cut.
#include "broker/core/acked_group.h"
#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::core {

// The lowest offset among the rows of retry, which are in the order of their due times. Owns
// itself; the group may be gone by the time.
struct AckedGroup::OldestRow final : storage::Scan {
  void run() override {
    std::unique_ptr<OldestRow> self(this);
    const auto alive = group.lock();
    if (alive == nullptr || alive->state_ != State::ready || status != storage::Status::ok) {
      return found(Offset(0));
    }
    for (const Row& row : rows) {
      if (const auto key = storage::parse_retry_key(row.key.view())) {
        oldest = std::min(oldest, key->offset);
      }
    }
    if (!more) return found(oldest);
    from = storage::Key(std::string(rows.back().key.view()) + '\0');
    rows.clear();
    more = false;
    self.release();
    alive->ctx_->store().scan(this);
  }
  std::weak_ptr<AckedGroup> group;
  Offset oldest;
  std::function<void(Offset)> found;
};

void AckedGroup::oldest_needed(PartitionId partition, std::function<void(Offset)> found) {
  const Cursor& cursor = *cursors_.at(partition.value());
  if (!cursor.has_rows()) return found(cursor.oldest_in_memory());
  auto* scan = new OldestRow;
  scan->group = weak_from_this();
  scan->oldest = cursor.oldest_in_memory();
  scan->found = std::move(found);
  scan->place = {storage::Table::retry, Month(0), topic_->tenant};
  scan->from = storage::retry_prefix(topic_->partition(partition), record_->id, cursor.lane());
  scan->to = scan->from.after_prefix();
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

void AckedGroup::expire_below(PartitionId partition, Offset cut) {
  cursors_.at(partition.value())->expire_below(cut);
  pump();
}

void AckedGroup::count_skipped(PartitionId partition, Offset from, Offset to, int64_t events) {
  skipped_ += events;
  mark_dirty();
  metrics::add(metrics::Counter::group_skipped, static_cast<uint64_t>(events));
  log::warn("retention skips events that the group was not given",
            {{"group", record_->name},
             {"topic", topic_->name},
             {"partition", partition.value()},
             {"from", from.value()},
             {"to", to.value()},
             {"events", events}});
  note(AuditAction::group_skipped, topic_->name + " partition " + std::to_string(partition.value()),
       {{"offsets", std::to_string(from.value()), std::to_string(to.value())},
        {"events", std::to_string(events), "0"}});
}

}  // namespace headrace::core
