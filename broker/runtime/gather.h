// Asks many shards from a thread that is no reactor (admin) and collects the answers: at most
// kWindow questions are out at a time, `done` runs once, on the reactor thread that answered last.
// Questions that found every queue full come back with error busy.
//
// Lives on: made by the asking thread; owns itself until done.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "broker/runtime/reactor.h"

namespace headrace::runtime {

class Gather final : public core::Requester {
 public:
  using Done = std::function<void(std::vector<core::RequestPtr>)>;

  // `questions` with their shard set; answers come in the same order.
  static void begin(Reactor* door, std::vector<core::RequestPtr> questions, Done done) {
    auto* gather = new Gather(door, std::move(questions), std::move(done));
    const size_t count = gather->requests_.size();
    // One extra: nothing can finish while the first window is still being posted.
    gather->missing_.store(count + 1, std::memory_order_relaxed);
    for (size_t i = 0; i < kWindow; ++i) gather->post_next();
    gather->finish_one();
  }

  void on_reply(core::RequestPtr request) override {
    const uint32_t slot = request->ticket;
    requests_[slot] = std::move(request);
    post_next();
    finish_one();
  }

 private:
  static constexpr size_t kWindow = 32;

  Gather(Reactor* door, std::vector<core::RequestPtr> questions, Done done)
      : door_(door), requests_(std::move(questions)), done_(std::move(done)) {}

  void post_next() {
    while (true) {
      const size_t slot = next_.fetch_add(1, std::memory_order_relaxed);
      if (slot >= requests_.size()) return;
      core::RequestPtr& request = requests_[slot];
      request->requester = this;
      request->ticket = static_cast<uint32_t>(slot);
      if (door_->post_foreign(request)) return;
      request->error = core::Error(core::ErrorCode::busy, "too many admin requests at once");
      finish_one();
    }
  }

  void finish_one() {
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    std::unique_ptr<Gather> self(this);
    done_(std::move(requests_));
  }

  Reactor* const door_;
  std::vector<core::RequestPtr> requests_;
  Done done_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> missing_{0};
};

}  // namespace headrace::runtime
