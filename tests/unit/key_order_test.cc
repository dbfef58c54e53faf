// Order by key against a naive model: of each key the earliest event that is not over is out.
#include "broker/core/key_order.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace headrace::core {
namespace {

RetryEntryPtr row_of(Offset offset, uint64_t key) {
  RetryEntry entry;
  entry.due_us = RetryEntry::kBehindKey;
  entry.offset = offset;
  entry.key = key;
  return std::make_shared<const RetryEntry>(std::move(entry));
}

struct KeyedEvent {
  uint64_t key = 0;
  bool row = false;  // parked, or waiting as a row
  bool over = false;
};

// Drives a KeyOrder as a cursor does, and remembers what there must be.
class KeyModel {
 public:
  void arrive(uint64_t key) {
    const Offset offset(static_cast<int64_t>(events_.size()));
    events_.push_back({key});
    enter(offset);
  }

  void park(size_t pick) {
    const Offset head = pick_head(pick);
    if (head.value() < 0) return;
    at(head).row = true;
    if (at(head).key == 0) return;
    for (const Offset behind : order_.park(head)) {
      RC_ASSERT(!at(behind).row);
      put_row(behind);
    }
  }

  void finish(size_t pick) {
    const Offset head = pick_head(pick);
    if (head.value() < 0) return;
    at(head).over = true;
    out_.erase(head);
    KeyOrder::Waiter next;
    if (!order_.finish(head, &next)) return;
    RC_ASSERT((next.row != nullptr) == at(next.offset).row);
    RC_ASSERT(out_.insert(next.offset).second);
  }

  // Rows are what is left; everything else comes from the log again.
  void crash() {
    order_ = KeyOrder();
    out_.clear();
    const std::set<Offset> heads = expected();
    for (size_t i = events_.size(); i > 0; --i) {  // in any order
      const Offset offset(static_cast<int64_t>(i - 1));
      const KeyedEvent& event = at(offset);
      if (event.over || !event.row) continue;
      if (heads.contains(offset) && !was_waiting_.contains(offset)) {
        order_.restore_parked(offset, event.key);
        out_.insert(offset);
      } else {
        order_.restore_waiting(event.key, row_of(offset, event.key));
      }
    }
    for (const auto& next : order_.start()) out_.insert(next.offset);
    for (size_t i = 0; i < events_.size(); ++i) {
      if (!events_[i].over && !events_[i].row) enter(Offset(static_cast<int64_t>(i)));
    }
  }

  void check() const {
    RC_ASSERT(out_ == expected());
    int64_t in_memory = 0;
    int64_t in_rows = 0;
    for (size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].over || out_.contains(Offset(static_cast<int64_t>(i)))) continue;
      (events_[i].row ? in_rows : in_memory) += 1;
    }
    RC_ASSERT(order_.waiting_in_memory() == in_memory);
    RC_ASSERT(order_.waiting_in_rows() == in_rows);
  }

 private:
  KeyedEvent& at(Offset offset) { return events_.at(static_cast<size_t>(offset.value())); }

  void enter(Offset offset) {
    const auto arrival = order_.arrive(offset, at(offset).key);
    if (arrival == KeyOrder::Arrival::goes) {
      out_.insert(offset);
    } else if (arrival == KeyOrder::Arrival::waits_in_row) {
      put_row(offset);
    }
  }
  void put_row(Offset offset) {
    at(offset).row = true;
    was_waiting_.insert(offset);
    order_.wait(offset, at(offset).key, row_of(offset, at(offset).key));
  }
  Offset pick_head(size_t pick) {
    if (out_.empty()) return Offset(-1);
    const Offset head = *std::next(out_.begin(), static_cast<ptrdiff_t>(pick % out_.size()));
    was_waiting_.erase(head);  // whatever becomes of it, it has been tried
    return head;
  }
  std::set<Offset> expected() const {
    std::set<Offset> heads;
    std::set<uint64_t> keys;
    for (size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].over) continue;
      if (events_[i].key == 0 || keys.insert(events_[i].key).second) {
        heads.insert(Offset(static_cast<int64_t>(i)));
      }
    }
    return heads;
  }

  KeyOrder order_;
  std::vector<KeyedEvent> events_;
  std::set<Offset> out_;          // heads, and events without a key
  std::set<Offset> was_waiting_;  // rows that say "behind its key"
};

RC_GTEST_PROP(KeyOrder, TheEarliestOfEachKeyIsOut, ()) {
  KeyModel model;
  const auto steps = *rc::gen::container<std::vector<std::pair<uint32_t, uint32_t>>>(
      rc::gen::pair(rc::gen::inRange(0u, 20u), rc::gen::inRange(0u, 100u)));
  for (const auto& [what, pick] : steps) {
    if (what < 9) {
      model.arrive(pick % 5);
    } else if (what < 13) {
      model.park(pick);
    } else if (what < 19) {
      model.finish(pick);
    } else {
      model.crash();
    }
    model.check();
  }
}

TEST(KeyOrder, RetentionTakesWhatWaitsInMemory) {
  KeyOrder order;
  for (int64_t offset = 0; offset < 6; ++offset) {
    order.arrive(Offset(offset), 1 + static_cast<uint64_t>(offset) % 2);
  }
  EXPECT_EQ(order.waiting_in_memory(), 4);
  EXPECT_EQ(order.drop_below(Offset(4)), (std::vector<Offset>{Offset(2), Offset(3)}));
  EXPECT_EQ(order.waiting_in_memory(), 2);
  KeyOrder::Waiter next;
  EXPECT_TRUE(order.finish(Offset(0), &next));
  EXPECT_EQ(next.offset, Offset(4));
  EXPECT_TRUE(order.finish(Offset(1), &next));
  EXPECT_EQ(next.offset, Offset(5));
  EXPECT_FALSE(order.finish(Offset(4), &next));
}

TEST(KeyOrder, ARowThatIsTakenAwayIsNotTheNext) {
  KeyOrder order;
  order.arrive(Offset(0), 7);
  order.park(Offset(0));
  for (int64_t offset = 1; offset < 3; ++offset) {
    EXPECT_EQ(order.arrive(Offset(offset), 7), KeyOrder::Arrival::waits_in_row);
    order.wait(Offset(offset), 7, row_of(Offset(offset), 7));
  }
  order.drop(Offset(1), 7);
  KeyOrder::Waiter next;
  EXPECT_TRUE(order.finish(Offset(0), &next));
  EXPECT_EQ(next.offset, Offset(2));
  EXPECT_EQ(order.waiting_in_rows(), 0);
}

}  // namespace
}  // namespace headrace::core
