// What a cursor has settled, and what its members hold, against the simplest models there are: an
// offset in a set, and an offset in a map.
#include "broker/core/settled.h"

#include <gtest/gtest.h>

#include <set>

#include "broker/core/in_flight.h"
#include "tests/support/prng.h"

namespace headrace::core {
namespace {

constexpr int64_t kOffsets = 60;

TEST(Settled, SaysWhatASetOfOffsetsSays) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Prng prng(seed);
    const auto begin = static_cast<int64_t>(prng.below(5));
    Settled settled{Offset(begin)};
    std::set<int64_t> model;
    for (int64_t at = 0; at < begin; ++at) model.insert(at);
    for (int step = 0; step < 25; ++step) {
      const auto first = static_cast<int64_t>(prng.below(kOffsets));
      const auto end = first + static_cast<int64_t>(prng.below(8));
      settled.add(Offset(first), Offset(end));
      for (int64_t at = first; at < end; ++at) model.insert(at);
      int64_t floor = 0;
      while (model.contains(floor)) ++floor;
      ASSERT_EQ(settled.floor(), Offset(floor));
      for (int64_t at = 0; at < kOffsets + 10; ++at) {
        ASSERT_EQ(settled.contains(Offset(at)), model.contains(at)) << at;
        int64_t open = at;
        while (model.contains(open)) ++open;
        ASSERT_EQ(settled.next_open(Offset(at)), Offset(open)) << at;
        const int64_t limit = at + static_cast<int64_t>(prng.below(20));
        int64_t until = open;
        while (until < std::max(limit, open) && !model.contains(until)) ++until;
        if (limit >= open) {
          ASSERT_EQ(settled.open_until(Offset(open), Offset(limit)), Offset(until)) << at;
        }
        ASSERT_EQ(settled.count_from(Offset(std::max(at, floor))),
                  std::distance(model.lower_bound(std::max(at, floor)), model.end()))
            << at;
      }
    }
    const Settled again(settled.row(0));
    for (int64_t at = 0; at < kOffsets + 10; ++at) {
      ASSERT_EQ(again.contains(Offset(at)), model.contains(at)) << at;
    }
    ASSERT_EQ(again.range_count(), settled.range_count());
  }
}

struct HeldOne {
  uint64_t member = 0;
  uint32_t attempt = 0;
  int64_t deadline_us = 0;

  bool operator==(const HeldOne&) const = default;
};
using HeldModel = std::map<int64_t, HeldOne>;

// All pieces, an offset each.
HeldModel singles(const std::vector<InFlight::Piece>& pieces) {
  HeldModel held;
  for (const auto& [first, range] : pieces) {
    for (Offset at = first; at <= range.last; at = at + 1) {
      held[at.value()] = {range.member, range.attempt, range.deadline_mono_us};
    }
  }
  return held;
}

template <class Wanted>
HeldModel remove_if(HeldModel* model, int64_t first, int64_t last, Wanted&& wanted) {
  HeldModel taken;
  for (auto at = model->lower_bound(first); at != model->end() && at->first <= last;) {
    if (wanted(at->second)) {
      taken.insert(*at);
      at = model->erase(at);
    } else {
      ++at;
    }
  }
  return taken;
}

void compare(const InFlight& held, const HeldModel& model) {
  ASSERT_EQ(held.events(), static_cast<int64_t>(model.size()));
  ASSERT_EQ(held.empty(), model.empty());
  int64_t next = INT64_MAX;
  for (int64_t at = 0; at < kOffsets; ++at) {
    const HeldRange* found = held.find(Offset(at));
    const auto known = model.find(at);
    ASSERT_EQ(found != nullptr, known != model.end()) << at;
    if (found == nullptr) continue;
    const HeldOne one{found->member, found->attempt, found->deadline_mono_us};
    ASSERT_EQ(one, known->second) << at;
    next = std::min(next, known->second.deadline_us);
  }
  ASSERT_EQ(held.next_deadline_mono_us(), next);
}

TEST(InFlight, HoldsWhatAMapOfOffsetsHolds) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Prng prng(seed);
    InFlight held;
    HeldModel model;
    for (int step = 0; step < 60; ++step) {
      const auto first = static_cast<int64_t>(prng.below(kOffsets));
      const auto last =
          std::min<int64_t>(kOffsets - 1, first + static_cast<int64_t>(prng.below(9)));
      const auto attempt = static_cast<uint32_t>(1 + prng.below(2));
      const uint64_t member = 1 + prng.below(3);
      const auto now_us = static_cast<int64_t>(prng.below(100));
      switch (prng.below(8)) {
        case 0:
          ASSERT_EQ(singles(held.take(Offset(first), Offset(last), attempt)),
                    remove_if(&model, first, last,
                              [&](const HeldOne& one) { return one.attempt == attempt; }));
          break;
        case 1:
          ASSERT_EQ(singles(held.take_member(member)),
                    remove_if(&model, 0, kOffsets,
                              [&](const HeldOne& one) { return one.member == member; }));
          break;
        case 2:
          ASSERT_EQ(singles(held.take_below(Offset(first))),
                    remove_if(&model, 0, first - 1, [](const HeldOne&) { return true; }));
          break;
        case 3:
          while (auto piece = held.take_expired(now_us)) {
            for (const auto& [at, one] : singles({*piece})) {
              ASSERT_LE(one.deadline_us, now_us);
              ASSERT_EQ(model.erase(at), 1u);
            }
          }
          for (const auto& [at, one] : model) ASSERT_GT(one.deadline_us, now_us) << at;
          break;
        default: {
          int64_t end = first;  // only what is free can be given out
          while (end <= last && !model.contains(end)) ++end;
          if (end == first) break;
          const auto deadline_us = static_cast<int64_t>(prng.below(120));
          HeldRange range;
          range.last = Offset(end - 1);
          range.member = member;
          range.attempt = attempt;
          range.deadline_mono_us = deadline_us;
          held.hold(Offset(first), std::move(range));
          for (int64_t at = first; at < end; ++at) model[at] = {member, attempt, deadline_us};
        }
      }
      compare(held, model);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace headrace::core
