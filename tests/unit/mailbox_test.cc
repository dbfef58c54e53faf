#include "broker/runtime/mailbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace headrace::runtime {
namespace {

TEST(Mailbox, KeepsTheOrderAndItsBound) {
  Mailbox<int> box(4);
  EXPECT_TRUE(box.empty());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(box.push(int{i}));
  EXPECT_FALSE(box.push(4));
  std::vector<int> taken;
  EXPECT_EQ(box.drain([&](int&& letter) { taken.push_back(letter); }), 4u);
  EXPECT_EQ(taken, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_TRUE(box.empty());
}

TEST(Mailbox, WhatFindsItFullStaysWithTheSender) {
  Mailbox<std::unique_ptr<int>> box(1);
  EXPECT_TRUE(box.push(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(box.push(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
}

TEST(Mailbox, DrainTakesOnlyWhatWasThere) {
  Mailbox<int> box(8);
  box.push(1);
  EXPECT_EQ(box.drain([&](int&& letter) { box.push(letter + 1); }), 1u);
  EXPECT_FALSE(box.empty());
}

TEST(Mailbox, TwoThreads) {
  constexpr int kLetters = 100'000;
  Mailbox<std::unique_ptr<int>> box(64);
  std::thread producer([&] {
    for (int i = 0; i < kLetters; ++i) {
      auto letter = std::make_unique<int>(i);
      while (!box.push(std::move(letter))) std::this_thread::yield();
    }
  });
  int next = 0;
  while (next < kLetters) {
    const size_t took = box.drain([&](std::unique_ptr<int>&& letter) {
      ASSERT_EQ(*letter, next);
      ++next;
    });
    if (took == 0) std::this_thread::yield();
  }
  producer.join();
}

}  // namespace
}  // namespace headrace::runtime
