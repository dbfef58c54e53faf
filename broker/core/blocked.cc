#include "broker/core/blocked.h"

#include "broker/core/acked_group.h"
#include "broker/limits.h"

namespace headrace::core {

Blocked::Blocked(AckedGroup* group, PartitionId partition, LaneId lane, Ctx* ctx)
    : group_(group),
      partition_(partition),
      lane_(lane),
      ctx_(ctx),
      rows_(group->topic()->partition(partition), group->record()->id, lane,
            RetryQueue::Rows::blocked, ctx, [group] { group->pump(); }),
      reader_({group->topic(), partition, group->fetch_origin(),
               Cursor::kBlockedTicket | Cursor::ticket(lane, false)},
              ctx) {}

void Blocked::set_count(uint64_t count) {
  rows_.set_count(count);
}

void Blocked::put(Offset offset, std::vector<AttemptRecord> attempts, FailureReason reason,
                  std::string error) {
  RetryEntry entry;
  entry.reason = reason;
  entry.error = std::move(error);
  entry.due_us = RetryEntry::kNever;
  entry.offset = offset;
  entry.attempt = attempts.empty() ? 1 : attempts.back().number + 1;
  entry.attempts = std::move(attempts);
  rows_.put(std::move(entry), group_);
  group_->count_blocked(1);
}

void Blocked::move() {
  for (size_t moved = 0; moved < limits::kBlockedMoves; ++moved) {
    if (rows_.count() == 0 || !group_->takes_blocked() || !move_one()) return;
    if (ctx_->writes(group_).bytes() > limits::kBlockedMoveBytes) return;
  }
}

// An entry that does not move now waits in the queue: it is the first again.
bool Blocked::move_one() {
  RetryEntryPtr entry = rows_.take_due(RetryEntry::kNever);
  if (entry == nullptr) return false;
  const auto state = reader_.seek(entry->offset, false);
  if (state == LogReader::State::reading || state == LogReader::State::failed) {
    rows_.give_back(std::move(entry));
    return false;
  }
  const bool undelivered = entry->attempts.empty();
  const bool undecodable = undelivered && entry->reason == FailureReason::undecodable;
  DeadLetter letter;
  if (state == LogReader::State::ready) {
    letter = Cursor::extract(entry->offset, reader_.batch(), undecodable);
  }
  letter.lane = lane_;
  letter.partition = partition_;
  letter.offset = entry->offset;
  letter.attempts = entry->attempts;
  letter.reason = undelivered ? entry->reason : entry->attempts.back().outcome;
  letter.error = undecodable   ? std::string(kUndecodable)
                 : undelivered ? entry->error
                               : entry->attempts.back().error;
  letter.dead_us = ctx_->now().wall_us;
  if (group_->bury(std::move(letter), AckedGroup::Quota::kept) != DeadLetters::Put::done) {
    rows_.give_back(std::move(entry));
    return false;
  }
  remove(*entry);
  return true;
}

void Blocked::remove(const RetryEntry& entry) {
  rows_.remove(entry, group_);
  group_->count_blocked(-1);
}

void Blocked::on_fetched(Fetch& fetch) {
  if (reader_.on_fetched(fetch)) group_->pump();
}

}  // namespace headrace::core
