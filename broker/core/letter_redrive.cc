// Dead letters that jobs redrive, and what is kept of them.
#include "broker/core/dead_letters.h"
#include "broker/core/letter_scan.h"
#include "metrics/log.h"

namespace headrace::core {

bool DeadLetters::redrive(const DeadLetter& letter, LaneId job) {
  LetterRef ref = ref_of(letter);
  if (!as_of_now(&ref) || ref.redriven()) return false;
  rewrite(letter, ref, job);
  return true;
}

void DeadLetters::take_back(const DeadLetter& letter, LaneId job) {
  LetterRef ref = ref_of(letter);
  if (as_of_now(&ref) && ref.redriven_by == job) rewrite(letter, ref, LaneId(0));
}

void DeadLetters::rewrite(DeadLetter letter, LetterRef ref, LaneId redriven_by) {
  letter.redriven_by = redriven_by;
  letter.redriven_us = redriven_by == LaneId(0) ? 0 : ctx_->now().wall_us;
  std::string row = encode_letter(letter);
  uncount(ref);
  ref.bytes = static_cast<int64_t>(row.size());
  ref.redriven_by = redriven_by;
  count(ref);
  ctx_->writes(who_).put(place(), key_of(ref.sequence), std::move(row));
  changes_[ref.sequence] = {ctx_->sequence(), false, ref.bytes, redriven_by};
}

void DeadLetters::count(const LetterRef& ref) {
  (ref.redriven() ? redriven_heads_ : dead_heads_).add(ref);
  ref.redriven() ? void(++redriven_) : quota_.put_back(ref.bytes);
}

bool DeadLetters::may_redrive(size_t more) {
  const int64_t above =
      redriven_ + static_cast<int64_t>(more) - int64_t{group_->options.dlq_entries};
  if (std::min(above, redriven_) <= static_cast<int64_t>(redriven_heads_.refs().size()))
    return true;
  return !read_heads(&redriven_heads_);
}

void DeadLetters::drop_redriven(const std::function<bool(LaneId job)>& needed) {
  int64_t dropped = 0;
  const auto& oldest = redriven_heads_.refs();
  while (redriven_ > int64_t{group_->options.dlq_entries} && !oldest.empty() &&
         !needed(oldest.front().redriven_by)) {
    erase(LetterRef(oldest.front()));
    ++dropped;
  }
  if (dropped == 0) return;
  log::info("the oldest redriven dead letters went for newer ones",
            {{"group", group_->name}, {"letters", dropped}});
}

void DeadLetters::begin_read() {
  forget_changes();
  ++readers_;
}

}  // namespace headrace::core
