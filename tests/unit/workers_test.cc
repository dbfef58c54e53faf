// Reads that wait for a worker: one of each tenant in turn.
#include "storage/rocks/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace headrace::storage {
namespace {

// Holds the threads until it is opened, so that what waits behind it is in the queue.
class WorkersGate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void wait_inside(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == count; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool open_ = false;
};

TEST(Workers, OneReadOfEachTenantInTurn) {
  WorkersGate first, second;
  std::mutex mutex;
  std::vector<uint32_t> order;
  {
    Workers workers(2, 1'000);
    ASSERT_TRUE(workers.submit_read(TenantId(9), [&] { first.pass(); }));
    ASSERT_TRUE(workers.submit_read(TenantId(9), [&] { second.pass(); }));
    first.wait_inside(1);
    second.wait_inside(1);
    const auto read = [&](uint32_t tenant) {
      return [&, tenant] {
        const std::lock_guard lock(mutex);
        order.push_back(tenant);
      };
    };
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(workers.submit_read(TenantId(1), read(1)));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(workers.submit_read(TenantId(2), read(2)));
    first.open();  // one thread works, so that the order is the queue's
    workers.submit_read(TenantId(3), [&] { second.open(); });
  }
  ASSERT_EQ(order.size(), 103u);
  const auto last_of_second = std::find(order.rbegin(), order.rend(), 2u);
  EXPECT_LE(order.rend() - last_of_second, 8) << "not behind the hundred";
}

// A tenant that fills its part is refused; another one is served, and so is the broker itself.
TEST(Workers, TheBoundIsSharedByTenants) {
  WorkersGate first, second;
  Workers workers(2, 100);
  ASSERT_TRUE(workers.submit_read(TenantId(9), [&] { first.pass(); }));
  ASSERT_TRUE(workers.submit_read(TenantId(9), [&] { second.pass(); }));
  first.wait_inside(1);
  second.wait_inside(1);
  int of_flood = 0;
  while (workers.submit_read(TenantId(1), [] {})) ++of_flood;
  EXPECT_EQ(of_flood, 50);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(workers.submit_read(TenantId(2), [] {}));
  EXPECT_FALSE(workers.submit_read(TenantId(1), [] {}));
  int of_broker = 0;
  while (workers.submit_read(kNodeTenant, [] {})) ++of_broker;
  EXPECT_EQ(of_broker, 30) << "all that is left";
  first.open();
  second.open();
}

TEST(Workers, AFullQueueRefuses) {
  WorkersGate first, second;
  Workers workers(2, 1);
  ASSERT_TRUE(workers.submit_read(TenantId(1), [&] { first.pass(); }));
  first.wait_inside(1);
  ASSERT_TRUE(workers.submit_read(TenantId(1), [&] { second.pass(); }));
  second.wait_inside(1);
  EXPECT_TRUE(workers.submit_read(TenantId(1), [] {}));
  EXPECT_FALSE(workers.submit_read(TenantId(2), [] {}));
  first.open();
  second.open();
}

}  // namespace
}  // namespace headrace::storage
