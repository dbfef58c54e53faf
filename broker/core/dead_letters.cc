#include "broker/core/dead_letters.h"

#include <algorithm>

#include "broker/core/letter_scan.h"
#include "broker/core/letter_walk.h"
#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"
#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {

DeadLetters::DeadLetters(GroupPtr group, TopicPtr topic, Ctx* ctx, Committable* who,
                         std::function<void()> changed)
    : group_(std::move(group)),
      topic_(std::move(topic)),
      ctx_(ctx),
      who_(who),
      changed_(std::move(changed)),
      alive_(std::make_shared<DeadLetters*>(this)) {
  adopt(group_);
}

DeadLetters::~DeadLetters() = default;

void DeadLetters::adopt(const GroupPtr& record) {
  group_ = record;
  quota_.limit(record->options.dlq_entries, record->options.dlq_bytes);
}

storage::Key DeadLetters::key_of(uint64_t sequence) const {
  return storage::dlq_letter_key(topic_->tenant, topic_->id, SliceId(0), group_->id, sequence);
}

// ---- a new letter

bool DeadLetters::has_room() const {
  if (group_->options.dlq_overflow == GroupOptions::Overflow::drop_oldest) return true;
  return quota_.fits(refused_bytes_);
}

DeadLetters::Put DeadLetters::put(DeadLetter letter, bool above_quota) {
  if (!above_quota && reading_oldest_) return Put::waiting;
  std::string row = encode_letter(letter);
  const auto bytes = static_cast<int64_t>(row.size());
  if (!above_quota && !quota_.fits(bytes)) {
    if (group_->options.dlq_overflow == GroupOptions::Overflow::block) {
      refused_bytes_ = bytes;
      return Put::full;
    }
    if (!make_room(bytes)) return Put::waiting;
  }
  refused_bytes_ = 0;
  letter.sequence = next_++;
  quota_.add(bytes, ctx_->now().mono_us);
  auto& writes = ctx_->writes(who_);
  const storage::Place place = dlq_place(topic_->tenant);
  writes.put(place, key_of(letter.sequence), std::move(row));
  std::string sequence;
  storage::append_be(&sequence, letter.sequence);
  writes.put(place,
             storage::dlq_origin_key(topic_->partition(letter.partition), group_->id, letter.lane,
                                     letter.offset),
             std::move(sequence));
  return Put::done;
}

// The oldest letters go in the set of the new one, or none of them does.
bool DeadLetters::make_room(int64_t bytes) {
  LetterQuota after = quota_;
  size_t goes = 0;
  for (; goes < oldest_.size() && !after.fits(bytes); ++goes) after.remove(oldest_[goes].bytes);
  if (!after.fits(bytes)) {
    read_oldest();
    return false;
  }
  for (; goes > 0; --goes) {
    const Ref ref = oldest_.front();
    oldest_.pop_front();
    erase(ref);
    first_ = ref.sequence + 1;
    ++dropped_;
    metrics::add(metrics::Counter::group_letters_dropped);
    log::warn("the oldest dead letter was dropped: the quota is used up",
              {{"group", group_->name}, {"letter", ref.sequence}});
  }
  return true;
}

struct DeadLetters::Heads final : storage::Scan {
  void run() override {
    std::unique_ptr<Heads> self(this);
    if (auto letters = alive.lock()) (*letters)->on_oldest(*this);
  }
  std::weak_ptr<DeadLetters*> alive;
};

void DeadLetters::read_oldest() {
  // What a read found missing is there after a commit at the earliest.
  if (reading_oldest_ || oldest_read_at_ == ctx_->committed_sequence()) return;
  forget_gone();
  auto* scan = new Heads;
  scan->alive = alive_;
  scan->place = dlq_place(topic_->tenant);
  scan->from = key_of(oldest_.empty() ? first_ : oldest_.back().sequence + 1);
  scan->to = key_of(UINT64_MAX);
  scan->max_rows = limits::kLettersPerPage;
  scan->sink = ctx_->sink();
  reading_oldest_ = true;
  oldest_read_at_ = ctx_->committed_sequence();
  ctx_->store().scan(scan);
}

void DeadLetters::on_oldest(Heads& heads) {
  reading_oldest_ = false;
  if (heads.status != storage::Status::ok) {
    log::error("reading the oldest dead letters failed; it is tried again after a commit",
               {{"group", group_->name}, {"status", storage::to_string(heads.status)}});
    return;
  }
  for (const auto& row : heads.rows) {
    DeadLetter letter;
    if (!decode_letter(row.key.view(), row.value, &letter) || gone_.contains(letter.sequence)) {
      continue;
    }
    oldest_.push_back({letter.sequence, static_cast<int64_t>(row.value.size()), letter.lane,
                       letter.partition, letter.offset});
  }
  if (!heads.rows.empty()) oldest_read_at_ = UINT64_MAX;
  changed_();
}

// ---- removing

void DeadLetters::erase(const Ref& ref) {
  auto& writes = ctx_->writes(who_);
  const storage::Place place = dlq_place(topic_->tenant);
  writes.remove(place, key_of(ref.sequence));
  writes.remove(place, storage::dlq_origin_key(topic_->partition(ref.partition), group_->id,
                                               ref.lane, ref.offset));
  quota_.remove(ref.bytes);
  std::erase_if(oldest_, [&](const Ref& known) { return known.sequence == ref.sequence; });
  gone_[ref.sequence] = ctx_->sequence();
}

// A read that begins now does not see them any more.
void DeadLetters::forget_gone() {
  if (walks_ > 0 || reading_oldest_) return;
  std::erase_if(gone_, [&](const auto& one) { return one.second <= ctx_->committed_sequence(); });
}

// ---- reading

// Owns itself until the rows are there; needs nothing of the group.
struct DeadLetters::Page final : storage::Scan {
  void run() override {
    std::unique_ptr<Page> self(this);
    if (status != storage::Status::ok) {
      request->error = Error(from_store(status), "reading dead letters");
      return ctx->reply(std::move(request));
    }
    for (const Row& row : rows) {
      DeadLetter letter;
      if (!decode_letter(row.key.view(), row.value, &letter)) {
        request->error = Error(ErrorCode::storage_error, "a dead letter does not parse");
        return ctx->reply(std::move(request));
      }
      request->last = letter.sequence;
      ++looked_at;
      bytes += row.value.size();
      if (filter.matches(letter)) request->letters.push_back(std::move(letter));
      if (request->letters.size() == request->page_size) break;
    }
    const bool unread = !rows.empty() && request->last != last_of(rows);
    if (more && !unread && wants_more()) {
      from = after(rows.back().key);
      self.release();
      return scan();
    }
    request->more = more || unread;
    if (request->only != 0 && request->letters.empty()) {
      request->error = Error(ErrorCode::unknown_dead_letter,
                             request->group->name + "@" + std::to_string(request->only));
    }
    ctx->reply(std::move(request));
  }
  // Selections may match rarely: the answer then says how far it looked.
  bool wants_more() const {
    return !filter.everything() && request->letters.size() < request->page_size &&
           looked_at < limits::kLettersPerLook && bytes < limits::kPageBytes;
  }
  void scan() {
    rows.clear();
    more = false;
    ctx->store().scan(this);
  }
  static uint64_t last_of(const std::vector<Row>& rows) {
    return storage::parse_dlq_letter_key(rows.back().key.view()).value_or(0);
  }
  std::unique_ptr<ListDeadLetters> request;
  LetterFilter filter;
  size_t looked_at = 0;
  size_t bytes = 0;
  Ctx* ctx = nullptr;
};

void DeadLetters::list(std::unique_ptr<ListDeadLetters> request) const {
  auto page = std::make_unique<Page>();
  request->error = LetterFilter::compile(request->conditions, &page->filter);
  if (request->error) return ctx_->reply(std::move(request));
  request->total = quota_.entries();
  page->place = dlq_place(topic_->tenant);
  page->from = key_of(request->only != 0 ? request->only : std::max(request->after + 1, first_));
  page->to = request->only != 0 ? key_of(request->only + 1) : key_of(UINT64_MAX);
  page->max_rows = request->only != 0          ? 1
                   : page->filter.everything() ? request->page_size
                                               : limits::kLettersPerPage;
  page->sink = ctx_->sink();
  page->ctx = ctx_;
  page->request = std::move(request);
  page.release()->scan();
}

// ---- levels and counts

void DeadLetters::watch(bool blocked, bool silent) {
  const DlqLevel before = quota_.level();
  if (!quota_.update(blocked) || silent) return;
  const DlqLevel now = quota_.level();
  const auto level = now < before               ? log::Level::info
                     : now == DlqLevel::warning ? log::Level::warn
                                                : log::Level::error;
  log::write(level, now < before ? "the dead letters have space again" : "the dead letters fill up",
             {{"group", group_->name},
              {"level", to_string(now)},
              {"entries", quota_.entries()},
              {"bytes", quota_.bytes()},
              {"percent", static_cast<int64_t>(quota_.share() * 100)},
              {"hours_until_full", quota_.hours_until_full(ctx_->now().mono_us)}});
}

void DeadLetters::encode(records::GroupHealth* row) const {
  row->set_next_letter(next_);
  row->set_letters(quota_.entries());
  row->set_letter_bytes(quota_.bytes());
  if (first_ > 1) row->set_first_letter(first_);
  row->set_dropped(dropped_);
}

void DeadLetters::decode(const records::GroupHealth& row) {
  next_ = std::max<uint64_t>(row.next_letter(), 1);
  first_ = std::max<uint64_t>(row.first_letter(), 1);
  quota_.set(row.letters(), row.letter_bytes());
  dropped_ = row.dropped();
}

}  // namespace headrace::core
