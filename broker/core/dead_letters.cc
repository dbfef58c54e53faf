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
  return letter_key(*topic_, *group_, sequence);
}

storage::Place DeadLetters::place() const {
  return dlq_place(topic_->tenant);
}

// ---- a new letter

bool DeadLetters::has_room() const {
  if (group_->options.dlq_overflow == GroupOptions::Overflow::drop_oldest) return true;
  return quota_.fits(refused_bytes_);
}

DeadLetters::Put DeadLetters::put(DeadLetter letter, bool above_quota) {
  if (!above_quota && dead_heads_.reading()) return Put::waiting;
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
  writes.put(place(), key_of(letter.sequence), std::move(row));
  if (letter.lane != LaneId(0)) return Put::done;
  std::string sequence;
  storage::append_be(&sequence, letter.sequence);
  writes.put(place(),
             storage::dlq_origin_key(topic_->partition(letter.partition), group_->id, letter.lane,
                                     letter.offset),
             std::move(sequence));
  return Put::done;
}

// The oldest letters go in the set of the new one, or none of them does.
bool DeadLetters::make_room(int64_t bytes) {
  LetterQuota after = quota_;
  size_t goes = 0;
  const auto& oldest = dead_heads_.refs();
  for (; goes < oldest.size() && !after.fits(bytes); ++goes) after.remove(oldest[goes].bytes);
  if (!after.fits(bytes)) {
    read_heads(&dead_heads_);
    return false;
  }
  for (; goes > 0; --goes) {
    const LetterRef ref = oldest.front();
    erase(ref);
    if (redriven_ == 0) first_ = ref.sequence + 1;
    ++dropped_;
    metrics::add(metrics::Counter::group_letters_dropped);
    log::warn("the oldest dead letter was dropped: the quota is used up",
              {{"group", group_->name}, {"letter", ref.sequence}});
  }
  return true;
}

// ---- reading ahead

struct DeadLetters::HeadsPage final : storage::Scan {
  void run() override {
    std::unique_ptr<HeadsPage> self(this);
    if (auto letters = alive.lock()) (*letters)->on_heads(*this);
  }
  std::weak_ptr<DeadLetters*> alive;
  LetterHeads* heads = nullptr;  // while the letters live
};

// False: nothing more is there now. What a read found missing is there after a commit at the
// earliest.
bool DeadLetters::read_heads(LetterHeads* heads) {
  if (heads->reading()) return true;
  if (heads->found_none_at == ctx_->committed_sequence()) return false;
  forget_changes();
  heads->begin_read(first_);
  heads->found_none_at = ctx_->committed_sequence();
  auto* scan = new HeadsPage;
  scan->alive = alive_;
  scan->heads = heads;
  scan->place = place();
  scan->from = key_of(heads->from());
  scan->to = key_of(UINT64_MAX);
  scan->max_rows = limits::kLettersPerPage;
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
  return true;
}

void DeadLetters::on_heads(HeadsPage& page) {
  LetterHeads& heads = *page.heads;
  const bool redriven = &heads == &redriven_heads_;
  uint64_t from = heads.from();
  if (page.status != storage::Status::ok) {
    heads.end_read(from);
    log::error("reading the oldest dead letters failed; it is tried again after a commit",
               {{"group", group_->name}, {"status", storage::to_string(page.status)}});
    if (redriven) changed_();  // jobs go on without
    return;
  }
  for (const auto& row : page.rows) {
    DeadLetter letter;
    if (!decode_letter(row.key.view(), row.value, &letter)) continue;
    from = letter.sequence + 1;
    LetterRef ref = ref_of(letter);
    if (as_of_now(&ref) && ref.redriven() == redriven) heads.read(ref);
  }
  heads.end_read(from);
  if (!page.rows.empty()) heads.found_none_at = UINT64_MAX;
  changed_();
}

// ---- removing and changing

LetterRef DeadLetters::ref_of(const DeadLetter& letter) {
  return {letter.sequence,  letter.row_bytes, letter.lane,
          letter.partition, letter.offset,    letter.redriven_by};
}

// What was read may be older than what was written since; false: it is gone.
bool DeadLetters::as_of_now(LetterRef* ref) const {
  const auto changed = changes_.find(ref->sequence);
  if (changed == changes_.end()) return true;
  ref->bytes = changed->second.bytes;
  ref->redriven_by = changed->second.redriven_by;
  return !changed->second.gone;
}

void DeadLetters::uncount(const LetterRef& ref) {
  (ref.redriven() ? redriven_heads_ : dead_heads_).forget(ref.sequence);
  if (ref.redriven()) {
    HR_CHECK(redriven_ > 0);
    --redriven_;
  } else {
    quota_.remove(ref.bytes);
  }
}

void DeadLetters::erase(const LetterRef& ref) {
  auto& writes = ctx_->writes(who_);
  writes.remove(place(), key_of(ref.sequence));
  if (ref.lane == LaneId(0)) {
    writes.remove(place(), storage::dlq_origin_key(topic_->partition(ref.partition), group_->id,
                                                   ref.lane, ref.offset));
  }
  uncount(ref);
  changes_[ref.sequence] = {ctx_->sequence(), true, 0, LaneId(0)};
}

// A read that begins now sees what is committed.
void DeadLetters::forget_changes() {
  if (walks_ > 0 || readers_ > 0 || dead_heads_.reading() || redriven_heads_.reading()) return;
  std::erase_if(changes_,
                [&](const auto& one) { return one.second.set <= ctx_->committed_sequence(); });
}

// ---- reading

// Owns itself until the rows are there; needs nothing of the group.
struct DeadLetters::Page final : storage::Scan {
  bool wants(std::string_view key, std::string_view value) noexcept override {
    ++looked_at;
    bytes += value.size();
    const auto sequence = storage::parse_dlq_letter_key(key);
    if (sequence) seen_to = *sequence;
    return !sequence || filter.everything() || filter.matches_row(value);
  }
  void run() override {
    std::unique_ptr<Page> self(this);
    if (status != storage::Status::ok) {
      request->error = Error(from_store(status), "reading dead letters");
      return ctx->reply(std::move(request));
    }
    bool unread = false;
    for (const Row& row : rows) {
      unread = request->letters.size() == request->page_size;
      if (unread) break;
      DeadLetter letter;
      if (!decode_letter(row.key.view(), row.value, &letter)) {
        request->error = Error(ErrorCode::storage_error, "a dead letter does not parse");
        return ctx->reply(std::move(request));
      }
      request->last = letter.sequence;
      if (filter.matches(letter)) request->letters.push_back(std::move(letter));
    }
    if (!unread) request->last = std::max(request->last, seen_to);
    if (more && !unread && wants_more()) {
      from = letter_key(*request->topic, *request->group, request->last + 1);
      max_rows = std::min(2 * max_rows, limits::kLettersPerScan);
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
  std::unique_ptr<ListDeadLetters> request;
  LetterFilter filter;
  // Of what was read, whether it matches or not.
  size_t looked_at = 0;
  size_t bytes = 0;
  uint64_t seen_to = 0;  // sequence
  Ctx* ctx = nullptr;
};

void DeadLetters::list(std::unique_ptr<ListDeadLetters> request) const {
  auto page = std::make_unique<Page>();
  request->error = LetterFilter::compile(request->conditions, &page->filter);
  if (request->error) return ctx_->reply(std::move(request));
  request->total = quota_.entries() + redriven_;
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
  ctx_->audit().note(Access::node(topic_->tenant),
                     {AuditAction::dlq_level,
                      "group " + group_->name,
                      std::to_string(quota_.entries()) + " dead letters",
                      {{"level", std::string(to_string(before)), std::string(to_string(now))}}});
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
  row->set_redriven_letters(redriven_);
}

void DeadLetters::decode(const records::GroupHealth& row) {
  next_ = std::max<uint64_t>(row.next_letter(), 1);
  first_ = std::max<uint64_t>(row.first_letter(), 1);
  quota_.set(row.letters(), row.letter_bytes());
  dropped_ = row.dropped();
  redriven_ = row.redriven_letters();
}

}  // namespace headrace::core
