// What jobs do without members, a bounded step at a time; the next one waits until the last one's
// set is durable. A redrive takes a page of letters, a dry run counts some batches, a cancelled
// redrive gives a page of parked letters back.
#include <algorithm>

#include "broker/core/acked_group.h"
#include "broker/core/jobs.h"
#include "broker/limits.h"
#include "metrics/log.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

constexpr int64_t kStepAgainUs = 1'000'000;  // after the store failed to read

// That a handler can be given; expired letters have none, and some are batches that do not parse.
bool has_event(const DeadLetter& letter) {
  const auto header = storage::read_header(letter.event.span());
  if (!header || letter.reason == FailureReason::undecodable) return false;
  BatchWalk walk;
  walk.stored = {letter.event, letter.append_time_us};
  walk.header = *header;
  storage::RecordView record;
  return walk.at(letter.offset, &record) == storage::BatchError::ok;
}

}  // namespace

// The job whose step this was; nullptr if it is gone, or has something else to do by now.
template <class Read>
Job* Jobs::stepped(const Read& read) {
  auto at = jobs_.find(read.of.lane);
  if (at == jobs_.end() || at->second->step != read.of.step) return nullptr;
  at->second->stepping = false;
  if (read.status == storage::Status::ok) return at->second.get();
  log::error("reading for a job failed; it is tried again",
             {{"group", group_->record()->name},
              {"job", read.of.lane.value()},
              {"status", storage::to_string(read.status)}});
  ctx_->arm(this, ctx_->now().mono_us + kStepAgainUs);
  return nullptr;
}

// Likewise, after a read of dead letters. `jobs` is there as long as the group.
template <class Read>
Job* Jobs::stepped_letters(const Read& read) {
  auto alive = read.of.group.lock();
  if (alive == nullptr) return nullptr;
  alive->dead_letters().end_read();
  return alive->state() == AckedGroup::State::ready ? read.jobs->stepped(read) : nullptr;
}

struct Jobs::LetterScan final : storage::Scan {
  void run() override {
    std::unique_ptr<LetterScan> self(this);
    Job* job = stepped_letters(*this);
    if (job == nullptr) return;
    std::vector<DeadLetter> letters;
    for (const Row& row : rows) {
      if (!decode_letter(row.key.view(), row.value, &letters.emplace_back())) letters.pop_back();
    }
    jobs->letters_read(*job, letters, more);
  }
  StepOf of;
  Jobs* jobs = nullptr;  // while the group lives
};

struct Jobs::LetterRead final : storage::Read {
  void run() override {
    std::unique_ptr<LetterRead> self(this);
    Job* job = stepped_letters(*this);
    if (job == nullptr) return;
    std::vector<DeadLetter> letters;
    for (const Item& item : items) {
      if (!item.found) continue;
      if (!decode_letter(item.key.view(), item.value, &letters.emplace_back())) letters.pop_back();
    }
    if (parked != nullptr) return jobs->unwound(*job, letters, *parked);
    job->next_listed += items.size();
    jobs->letters_read(*job, letters, job->next_listed < job->record.letters.size());
  }
  StepOf of;
  Jobs* jobs = nullptr;
  std::unique_ptr<ParkedScan> parked;  // of a cancelled job
};

struct Jobs::ParkedScan final : storage::Scan {
  void run() override {
    std::unique_ptr<ParkedScan> self(this);
    auto alive = of.group.lock();
    if (alive == nullptr || alive->state() != AckedGroup::State::ready) return;
    Job* job = jobs->stepped(*this);
    if (job != nullptr) jobs->parked_read(*job, std::move(self));
  }
  StepOf of;
  Jobs* jobs = nullptr;
  std::vector<RetryEntry> entries;
};

void Jobs::advance() {
  for (auto& [lane, job] : jobs_) {
    if (!job->stepping && job->waits_for <= ctx_->committed_sequence()) step(*job);
  }
}

void Jobs::step(Job& job) {
  if (job.record.unwinding) return unwind(job);
  if (job.record.state != JobState::running) return;
  if (job.has_log() && job.record.dry_run) return count(job);
  if (job.has_log() || job.scanned_all) return;
  if (job.record.dry_run || group_->dead_letters().may_redrive(limits::kJobPageRows)) {
    read_letters(job);
  }
}

// What is counted and how far are in one set.
void Jobs::count(Job& job) {
  int64_t left = limits::kJobCountBatches;
  const int64_t before = job.read_events();
  for (auto& cursor : job.cursors) {
    if (!cursor->finished()) cursor->count(&left);
  }
  if (job.read_events() != before) mark(job);
}

// ---- redrive

void Jobs::read_letters(Job& job) {
  DeadLetters& letters = group_->dead_letters();
  letters.begin_read();
  const StepOf of{group_->weak_from_this(), job.record.lane, ++job.step};
  job.stepping = true;
  if (job.record.letters.empty()) {
    auto* scan = new LetterScan;
    scan->of = of;
    scan->jobs = this;
    scan->place = letters.place();
    scan->from = letters.key_of(job.next_letter);
    scan->to = letters.key_of(job.record.letters_end);
    scan->max_rows = limits::kJobPageRows;
    scan->max_bytes = limits::kJobPageBytes;
    scan->sink = ctx_->sink();
    return ctx_->store().scan(scan);
  }
  auto* read = new LetterRead;
  read->of = of;
  read->jobs = this;
  const auto& listed = job.record.letters;
  for (size_t i = job.next_listed; i < listed.size() && read->items.size() < limits::kJobPageRows;
       ++i) {
    read->items.push_back({letters.place(), letters.key_of(listed[i]), {}, false});
  }
  read->sink = ctx_->sink();
  ctx_->store().read(read);
}

void Jobs::letters_read(Job& job, const std::vector<DeadLetter>& letters, bool more) {
  for (const DeadLetter& letter : letters) take(job, letter);
  group_->dead_letters().drop_redriven([this](LaneId lane) { return needs_letters(lane); });
  if (!letters.empty()) job.next_letter = letters.back().sequence + 1;
  job.record.scanned += static_cast<int64_t>(letters.size());
  job.scanned_all = !more;
  mark(job);
}

// A scan that begins again after a restart meets what this job took before.
void Jobs::take(Job& job, const DeadLetter& letter) {
  const std::pair event(letter.partition, letter.offset);
  if (letter.redriven_us != 0) {
    if (letter.redriven_by == job.record.lane) job.taken.insert(event);
    return;
  }
  if (job.taken.contains(event) || !has_event(letter)) return;
  if (!job.letter_filter().matches(letter)) return;
  const bool dry_run = job.record.dry_run;
  if (!dry_run && !group_->dead_letters().redrive(letter, job.record.lane)) return;
  job.taken.insert(event);
  ++job.record.matched;
  if (dry_run) return;
  const auto now_us = static_cast<double>(ctx_->now().wall_us);
  job.next_due_us = std::max(job.next_due_us, now_us);
  job.cursor(letter.partition)->redrive(letter, static_cast<int64_t>(job.next_due_us));
  job.next_due_us += job.rate().interval_us();
}

// Whether the job has parked events yet that are in letters.
bool Jobs::needs_letters(LaneId lane) const {
  const auto at = jobs_.find(lane);
  return at != jobs_.end() && (at->second->record.open() || at->second->record.unwinding);
}

// ---- cancelled: letters whose events are still parked are dead again

void Jobs::unwind(Job& job) {
  const TopicPtr& topic = group_->topic();
  if (job.unwind_partition >= topic->partitions) {
    job.record.unwinding = false;
    return mark(job);
  }
  auto scan = std::make_unique<ParkedScan>();
  scan->of = {group_->weak_from_this(), job.record.lane, ++job.step};
  scan->jobs = this;
  scan->place = {storage::Table::retry, Month(0), topic->tenant};
  const auto prefix = storage::retry_prefix(topic->partition(PartitionId(job.unwind_partition)),
                                            group_->record()->id, job.record.lane);
  scan->from = job.unwind_from.value_or(prefix);
  scan->to = prefix.after_prefix();
  scan->max_rows = limits::kJobPageRows;
  scan->sink = ctx_->sink();
  job.stepping = true;
  ctx_->store().scan(scan.release());
}

void Jobs::parked_read(Job& job, std::unique_ptr<ParkedScan> parked) {
  auto read = std::make_unique<LetterRead>();
  read->of = {group_->weak_from_this(), job.record.lane, ++job.step};
  read->jobs = this;
  for (const auto& row : parked->rows) {
    auto entry = decode_retry(row.key.view(), storage::as_text(row.value.span()));
    if (!entry || entry->letter == 0) continue;
    const DeadLetters& letters = group_->dead_letters();
    read->items.push_back({letters.place(), letters.key_of(entry->letter), {}, false});
  }
  group_->dead_letters().begin_read();
  read->parked = std::move(parked);
  read->sink = ctx_->sink();
  job.stepping = true;
  ctx_->store().read(read.release());
}

// One set: the letters are dead again, their parked rows are gone.
void Jobs::unwound(Job& job, const std::vector<DeadLetter>& letters, const ParkedScan& parked) {
  for (const DeadLetter& letter : letters) {
    group_->dead_letters().take_back(letter, job.record.lane);
  }
  for (const auto& row : parked.rows) ctx_->writes(group_).single_remove(parked.place, row.key);
  if (parked.more) {
    storage::Key next = parked.rows.back().key;
    job.unwind_from = next.append(uint8_t{0});
  } else {
    ++job.unwind_partition;
    job.unwind_from.reset();
  }
  mark(job);
}

}  // namespace headrace::core
