// How dead letters are deleted: some by their numbers, or what a selection matches in two steps - a
// call that counts and gives a token, and one with the token that deletes, page by page, what was
// there when it was counted.
#include <algorithm>

#include "broker/core/dead_letters.h"
#include "broker/core/letter_scan.h"
#include "broker/core/letter_walk.h"
#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::core {
namespace {

Error wrong_in_removal(std::string what) {
  return Error(ErrorCode::invalid_request, std::move(what));
}

}  // namespace

void DeadLetters::remove(std::unique_ptr<DeleteDeadLetters> request) {
  if (!request->only.empty()) return remove_named(std::move(request));
  auto walk = std::make_unique<Walk>();
  request->error = LetterFilter::compile(request->conditions, &walk->filter);
  if (!request->error && request->all != request->conditions.empty()) {
    request->error = wrong_in_removal("either letters by id, or conditions, or all");
  }
  walk->counts = request->token.empty();
  walk->up_to = next_ - 1;
  if (!request->error && !walk->counts) request->error = confirm(*request, &walk->up_to);
  if (!request->error && walks_ >= limits::kLetterWalks) {
    request->error = Error(ErrorCode::busy, "other selections of " + group_->name +
                                                "'s dead letters are being counted or deleted");
  }
  if (request->error) return ctx_->reply(std::move(request));
  forget_changes();
  ++walks_;
  walk->place = dlq_place(topic_->tenant);
  walk->from = key_of(first_);
  walk->to = key_of(walk->up_to + 1);
  walk->max_rows = limits::kLettersPerPage;
  walk->sink = ctx_->sink();
  walk->ctx = ctx_;
  walk->alive = alive_;
  walk->request = std::move(request);
  next_page(std::move(walk));
}

// ---- by number

// Owns itself until the rows are there; the letters may be gone by then.
struct DeadLetters::Named final : storage::Read {
  void run() override {
    std::unique_ptr<Named> self(this);
    if (auto letters = alive.lock()) return (*letters)->on_named(*this);
    request->error = Error(ErrorCode::loading, "group " + request->group->name);
    ctx->reply(std::move(request));
  }
  std::unique_ptr<DeleteDeadLetters> request;
  Ctx* ctx = nullptr;
  std::weak_ptr<DeadLetters*> alive;
};

void DeadLetters::remove_named(std::unique_ptr<DeleteDeadLetters> request) {
  auto& only = request->only;
  std::sort(only.begin(), only.end());
  only.erase(std::unique(only.begin(), only.end()), only.end());
  if (only.size() > limits::kLettersPerDelete) {
    request->error = wrong_in_removal("ids: at most " + std::to_string(limits::kLettersPerDelete));
  } else if (request->all || !request->conditions.empty() || !request->token.empty()) {
    request->error = wrong_in_removal("either letters by id, or conditions, or all");
  }
  if (request->error) return ctx_->reply(std::move(request));
  forget_changes();
  ++walks_;
  auto* read = new Named;
  for (uint64_t sequence : only) {
    read->items.push_back({dlq_place(topic_->tenant), key_of(sequence), {}, false});
  }
  read->sink = ctx_->sink();
  read->ctx = ctx_;
  read->alive = alive_;
  read->request = std::move(request);
  ctx_->store().read(read);
}

void DeadLetters::on_named(Named& named) {
  --walks_;
  auto request = std::move(named.request);
  if (named.status != storage::Status::ok) {
    request->error = Error(from_store(named.status), "reading dead letters");
    return ctx_->reply(std::move(request));
  }
  for (const auto& item : named.items) {
    DeadLetter letter;
    if (!item.found || !decode_letter(item.key.view(), item.value, &letter)) continue;
    LetterRef ref = ref_of(letter);
    if (!as_of_now(&ref)) continue;
    ++request->matched;
    ++request->deleted;
    erase(ref);
  }
  if (request->deleted == 0) {
    request->error = Error(ErrorCode::unknown_dead_letter,
                           group_->name + "@" + std::to_string(request->only.front()));
    return ctx_->reply(std::move(request));
  }
  metrics::add(metrics::Counter::group_letters_deleted, static_cast<uint64_t>(request->deleted));
  note_deleted(AuditAction::dlq_deleted, *request, request->deleted);
  ctx_->reply_committed(std::move(request), Durability::durable);
  changed_();
}

// ---- by selection

void DeadLetters::next_page(std::unique_ptr<Walk> walk) {
  walk->rows.clear();
  walk->more = false;
  ctx_->store().scan(walk.release());
}

void DeadLetters::on_page(std::unique_ptr<Walk> walk) {
  auto& request = walk->request;
  if (walk->status != storage::Status::ok) {
    --walks_;
    request->error = Error(from_store(walk->status), "reading dead letters");
    return ctx_->reply(std::move(request));
  }
  const int64_t before = request->deleted;
  for (const auto& row : walk->rows) {
    DeadLetter letter;
    const bool parses = decode_letter(row.key.view(), row.value, &letter);
    if (parses) walk->seen_to = letter.sequence;
    LetterRef ref = ref_of(letter);
    const bool gone = parses && !as_of_now(&ref);
    const bool matches = parses && !gone && walk->filter.matches(letter);
    if (matches) ++request->matched;
    walk->from_first = walk->from_first && (gone || matches);
    if (!matches || walk->counts) continue;
    ++request->deleted;
    erase(ref);
    if (walk->from_first) first_ = std::max(first_, letter.sequence + 1);
  }
  const int64_t deleted = request->deleted - before;
  const bool more = walk->more;
  if (more) walk->from = after(walk->rows.back().key);
  if (deleted > 0) {
    metrics::add(metrics::Counter::group_letters_deleted, static_cast<uint64_t>(deleted));
    note_deleted(AuditAction::dlq_purged, *request, deleted);  // a page, a set, an entry
    walk->written_sequence = ctx_->sequence();
  }
  if (!more) {
    --walks_;
    if (walk->counts) {
      // A letter whose set is still on its way was not counted, though its number is given.
      offer(request.get(), walk->seen_to);
      ctx_->reply(std::move(request));
    } else {
      log::info("dead letters were purged",
                {{"group", group_->name}, {"letters", request->deleted}});
      ctx_->reply_committed(std::move(request), Durability::durable);
    }
  } else if (deleted > 0) {
    waiting_.push_back(std::move(walk));  // a page, a set: the next one when this is durable
  } else {
    next_page(std::move(walk));
  }
  if (deleted > 0) changed_();
}

void DeadLetters::on_committed() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    auto here = at++;
    if ((*here)->written_sequence > ctx_->committed_sequence()) continue;
    auto walk = std::move(*here);
    waiting_.erase(here);
    next_page(std::move(walk));
  }
}

void DeadLetters::close(const Error& error) {
  for (auto& walk : waiting_) {
    walk->request->error = error;
    ctx_->reply(std::move(walk->request));
  }
  waiting_.clear();
  alive_.reset();
}

void DeadLetters::note_deleted(AuditAction action, const DeleteDeadLetters& request,
                               int64_t deleted) {
  std::string selection;
  for (const uint64_t sequence : request.only) {
    selection += (selection.empty() ? "" : ", ") + std::to_string(sequence);
  }
  for (const std::string& condition : request.conditions) {
    selection += (selection.empty() ? "" : ", ") + condition;
  }
  ctx_->audit().note(request.tenant, {action,
                                      "group " + group_->name,
                                      request.all ? "all" : selection,
                                      {{"deleted", "", std::to_string(deleted)}}});
}

// ---- two steps

void DeadLetters::offer(DeleteDeadLetters* request, uint64_t up_to) {
  if (request->matched == 0) return;
  if (confirmations_.size() >= limits::kConfirmationsPerGroup) confirmations_.pop_front();
  Confirmation& offered = confirmations_.emplace_back();
  offered.token = std::to_string(ctx_->epoch().value()) + "-" + std::to_string(++tokens_) + "-" +
                  std::to_string(up_to);
  offered.conditions = request->conditions;
  offered.all = request->all;
  offered.up_to = up_to;
  offered.until_mono_us = ctx_->now().mono_us + limits::kConfirmationUs;
  request->token = offered.token;
}

// A token is good for one call.
Error DeadLetters::confirm(const DeleteDeadLetters& request, uint64_t* up_to) {
  auto known = std::find_if(confirmations_.begin(), confirmations_.end(),
                            [&](const auto& one) { return one.token == request.token; });
  if (known == confirmations_.end() || known->until_mono_us < ctx_->now().mono_us ||
      known->conditions != request.conditions || known->all != request.all) {
    return wrong_in_removal("token: not of this selection, or older than " +
                            std::to_string(limits::kConfirmationUs / kMicrosPerSecond) +
                            " s: ask again without one");
  }
  *up_to = known->up_to;
  confirmations_.erase(known);
  return {};
}

}  // namespace headrace::core
