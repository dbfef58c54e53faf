#include "broker/runtime/inbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/sim_io.h"

namespace headrace::runtime {
namespace {

struct Note final : storage::Completion {
  void run() override { seen->push_back(number); }
  int number = 0;
  std::vector<int>* seen = nullptr;
};

class InboxTest : public testing::Test {
 protected:
  test::Prng prng_{1};
  test::SimNetwork network_{&prng_, {}};
  std::unique_ptr<test::SimIo> io_ = network_.make_io({});
  Inbox inbox_{io_.get()};
  std::vector<int> seen_;
};

TEST_F(InboxTest, OldestFirstAndAWakeUp) {
  io_->poll();
  io_->wait(network_.now().mono_us + 1'000'000);
  EXPECT_FALSE(io_->runnable());
  Note notes[3];
  for (int i = 0; i < 3; ++i) {
    notes[i].number = i;
    notes[i].seen = &seen_;
    inbox_.post(&notes[i]);
  }
  EXPECT_TRUE(io_->runnable());
  EXPECT_EQ(inbox_.drain(), 3u);
  EXPECT_EQ(seen_, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(inbox_.empty());
}

TEST_F(InboxTest, ACompletionMayPostItselfAgain) {
  struct Again final : storage::Completion {
    void run() override {
      if (++runs < 3) inbox->post(this);
    }
    Inbox* inbox = nullptr;
    int runs = 0;
  } again;
  again.inbox = &inbox_;
  inbox_.post(&again);
  while (inbox_.drain() > 0) {
  }
  EXPECT_EQ(again.runs, 3);
}

// Each producer's completions stay in order; nothing is lost.
TEST_F(InboxTest, ManyProducers) {
  constexpr int kThreads = 3;
  constexpr int kEach = 20'000;
  std::vector<std::vector<Note>> notes(kThreads, std::vector<Note>(kEach));
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  std::atomic<int> running{kThreads};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        notes[t][i].number = i;
        notes[t][i].seen = &seen[t];
        inbox_.post(&notes[t][i]);
      }
      --running;
    });
  }
  while (running > 0 || !inbox_.empty()) inbox_.drain();
  for (auto& thread : threads) thread.join();
  inbox_.drain();
  for (const auto& each : seen) {
    ASSERT_EQ(each.size(), static_cast<size_t>(kEach));
    EXPECT_TRUE(std::is_sorted(each.begin(), each.end()));
  }
}

}  // namespace
}  // namespace headrace::runtime
