#include "metrics/shared_bytes.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace headrace {
namespace {

TEST(SharedBytes, EmptyOwnsNothing) {
  const SharedBytes none;
  EXPECT_FALSE(none);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.view(), "");
}

TEST(SharedBytes, AnEmptyCopyIsStillABlock) {
  const SharedBytes bytes = SharedBytes::copy_of(std::string_view());
  EXPECT_TRUE(bytes);
  EXPECT_TRUE(bytes.empty());
}

TEST(SharedBytes, CopiesShareAndSlicesKeepAlive) {
  SharedBytes slice;
  {
    const SharedBytes whole = SharedBytes::copy_of("headrace");
    const SharedBytes copy = whole;
    EXPECT_EQ(copy.data(), whole.data());
    slice = copy.slice(4, 4);
  }
  EXPECT_EQ(slice.view(), "race");
  EXPECT_EQ(slice.slice(4, 0).view(), "");
}

TEST(SharedBytes, MovedFromIsEmpty) {
  SharedBytes from = SharedBytes::copy_of("x");
  const SharedBytes to = std::move(from);
  EXPECT_EQ(to.view(), "x");
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): that is the promise
}

TEST(SharedBytes, AssigningToItselfKeepsTheBytes) {
  SharedBytes bytes = SharedBytes::copy_of("kept");
  const SharedBytes& alias = bytes;
  bytes = alias;
  EXPECT_EQ(bytes.view(), "kept");
}

TEST(SharedBytesDeathTest, WritingASharedBlockIsABug) {
  SharedBytes bytes = SharedBytes::allocate(4);
  bytes.mutable_data()[0] = std::byte{1};
  const SharedBytes other = bytes;
  EXPECT_DEATH(bytes.mutable_data(), "check failed");
}

TEST(SharedBytesDeathTest, SlicingOutsideIsABug) {
  const SharedBytes bytes = SharedBytes::copy_of("four");
  EXPECT_DEATH(bytes.slice(3, 2), "check failed");
}

TEST(SharedBytes, AnyThreadMayReleaseLast) {
  for (int round = 0; round < 50; ++round) {
    SharedBytes bytes = SharedBytes::copy_of("shared between threads");
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([part = bytes.slice(7, 7)] {
        for (int j = 0; j < 100; ++j) {
          const SharedBytes again = part;
          EXPECT_EQ(again.view(), "between");
        }
      });
    }
    bytes = SharedBytes();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace headrace
