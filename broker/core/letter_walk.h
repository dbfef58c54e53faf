// A count or a purge of dead letters on its way.
#pragma once

#include "broker/core/dead_letters.h"

namespace headrace::core {

// Goes over the letters once. Owns itself while it reads; between pages the letters own it.
struct DeadLetters::Walk final : storage::Scan {
  void run() override {
    std::unique_ptr<Walk> self(this);
    if (auto letters = alive.lock()) return (*letters)->on_page(std::move(self));
    request->error = Error(ErrorCode::loading, "group " + request->group->name);
    ctx->reply(std::move(request));
  }
  std::unique_ptr<DeleteDeadLetters> request;
  LetterFilter filter;
  bool counts = false;            // only
  bool from_first = true;         // every letter up to here was removed
  uint64_t up_to = 0;             // sequence: later letters are not looked at
  uint64_t seen_to = 0;           // sequence of the last letter that was read
  uint64_t written_sequence = 0;  // of the set with its last page
  Ctx* ctx = nullptr;
  std::weak_ptr<DeadLetters*> alive;
};

}  // namespace headrace::core
