// A read or scan for a question that an object of a group answers in several steps. Owns itself and
// the question until the rows are there; the object may be gone by then.
//
// Lives on: owner shard. `Owner` has alive() (a shared pointer to its own address, given up when it
// closes) and a static fail(Ctx*, Question, ErrorCode).
#pragma once

#include <memory>
#include <utility>

#include "broker/core/ctx.h"
#include "broker/core/error.h"

namespace headrace::core {

template <class Owner, class Question, class Rows>
struct QuestionStep final : Rows {
  using Next = void (Owner::*)(Question, Rows&);

  QuestionStep(Question asked, Owner* owner, Ctx* of, Next then)
      : question(std::move(asked)), alive(owner->alive()), ctx(of), next(then) {
    this->sink = ctx->sink();
  }
  void run() override {
    std::unique_ptr<QuestionStep> self(this);
    const auto owner = alive.lock();
    if (owner != nullptr && this->status == storage::Status::ok) {
      return ((*owner)->*next)(std::move(question), *this);
    }
    Owner::fail(ctx, std::move(question),
                owner == nullptr ? ErrorCode::loading : from_store(this->status));
  }
  Question question;
  const std::weak_ptr<Owner*> alive;
  Ctx* const ctx;
  const Next next;
};

}  // namespace headrace::core
