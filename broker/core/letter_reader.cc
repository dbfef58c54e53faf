#include "broker/core/letter_reader.h"

#include "broker/limits.h"

namespace headrace::core {

// Owns itself until the rows are there; the reader may be gone by then.
struct LetterReader::Page final : storage::Scan {
  void run() override {
    std::unique_ptr<Page> self(this);
    if (auto reader = alive.lock()) (*reader)->on_read(*this);
  }
  std::weak_ptr<LetterReader*> alive;
  uint64_t first = 0;
};

LetterReader::LetterReader(const DeadLetters* letters, Ctx* ctx, std::function<void()> changed)
    : letters_(letters),
      ctx_(ctx),
      changed_(std::move(changed)),
      alive_(std::make_shared<LetterReader*>(this)) {}

LogReader::State LetterReader::seek(uint64_t sequence) {
  auto known = walks_.find(sequence);
  if (known != walks_.end()) {
    at_ = &known->second;
    return LogReader::State::ready;
  }
  if (sequence >= known_from_ && sequence < known_to_) return LogReader::State::gone;
  if (reading_) return LogReader::State::reading;
  if (failed_ && ctx_->now().mono_us < again_mono_us_) return LogReader::State::failed;
  auto* page = new Page;
  page->alive = alive_;
  page->first = sequence;
  page->place = letters_->place();
  page->from = letters_->key_of(sequence);
  page->to = letters_->key_of(UINT64_MAX);
  page->max_rows = limits::kJobPageRows;
  page->max_bytes = limits::kJobPageBytes;
  page->sink = ctx_->sink();
  reading_ = true;
  failed_ = false;
  ctx_->store().scan(page);
  return LogReader::State::reading;
}

void LetterReader::on_read(Page& page) {
  reading_ = false;
  walks_.clear();
  at_ = nullptr;
  known_from_ = known_to_ = 0;
  failed_ = page.status != storage::Status::ok;
  again_mono_us_ = ctx_->now().mono_us + LogReader::kReadAgainUs;
  if (!failed_) {
    known_from_ = page.first;
    known_to_ = page.first + 1;
    for (const auto& row : page.rows) {
      DeadLetter letter;
      if (!decode_letter(row.key.view(), row.value, &letter)) continue;
      known_to_ = letter.sequence + 1;
      const auto header = storage::read_header(letter.event.span());
      if (!header) continue;
      BatchWalk& walk = walks_[letter.sequence];
      walk.stored = {letter.event, letter.append_time_us};
      walk.header = *header;
    }
  }
  changed_();
}

}  // namespace headrace::core
