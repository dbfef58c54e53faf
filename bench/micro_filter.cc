// What filters cost per event: the type's lookup and a group's bit in the matcher with 1, 100 and
// 1,000 groups, types mixed at random; a type that is seen for the first time; a condition on a
// header; and the walk over the records they come on top of.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "broker/core/filter.h"
#include "broker/core/matcher.h"

namespace headrace {
namespace {

constexpr size_t kTypes = 1'000;
constexpr size_t kEvents = 512;

std::string type_of(size_t n) {
  return "team" + std::to_string(n % 37) + ".item" + std::to_string(n) + ".changed";
}

// Group n wants one type in kTypes, its own; every fourth by a pattern with a star.
core::Filter filter_of_group(size_t n, std::vector<core::Condition> conditions = {}) {
  const std::string type = type_of(n % kTypes);
  std::string pattern = type;
  if (n % 4 == 0) pattern = "*" + type.substr(type.find('.'));
  core::Filter filter;
  if (core::Filter::compile({{pattern}, std::move(conditions)}, &filter)) std::abort();
  return filter;
}

// A batch of events whose types are mixed at random, with a few headers each.
SharedBytes mixed_batch(uint64_t seed) {
  std::mt19937_64 random(seed);
  storage::BatchBuilder builder;
  const std::string value(100, 'x');
  for (size_t i = 0; i < kEvents; ++i) {
    const std::string type = type_of(random() % kTypes);
    const std::string id = std::to_string(random());
    const std::string grade = std::to_string(random() % 100);
    const std::vector<storage::HeaderField> headers = {{"ce_id", std::string_view(id)},
                                                       {"ce_type", std::string_view(type)},
                                                       {"ce_source", "/bench"},
                                                       {"grade", std::string_view(grade)}};
    builder.add({.value = value, .headers = headers});
  }
  return builder.finish();
}

// Calls visit(EventView) for the events of 16 batches in turn, one batch per iteration.
template <class Visit>
void for_each_event(benchmark::State& state, Visit&& visit) {
  std::vector<SharedBytes> batches;
  for (uint64_t seed = 1; seed <= 16; ++seed) batches.push_back(mixed_batch(seed));
  size_t at = 0;
  for (auto _ : state) {
    const SharedBytes& batch = batches[at++ % batches.size()];
    const auto header = storage::read_header(batch.span());
    storage::RecordReader reader(batch.span().subspan(storage::kBatchHeaderSize), *header);
    storage::RecordView record;
    std::string_view type;
    while (reader.next(&record)) {
      if (!core::read_type(record, &type)) state.SkipWithError("headers are damaged");
      visit(core::EventView{type, record});
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kEvents));
}

void filter_baseline(benchmark::State& state) {
  for_each_event(state,
                 [](const core::EventView& event) { benchmark::DoNotOptimize(event.type.data()); });
}
BENCHMARK(filter_baseline);

void filter_matcher(benchmark::State& state) {
  core::Matcher matcher;
  core::Matcher::Slot slot = 0;
  for (int64_t n = 0; n < state.range(0); ++n) {
    slot = matcher.add(filter_of_group(static_cast<size_t>(n)));
  }
  uint64_t wanted = 0;
  for_each_event(state, [&](const core::EventView& event) {
    wanted += matcher.wants(slot, matcher.id_of(event.type), event.type) ? 1 : 0;
  });
  state.counters["wanted"] =
      benchmark::Counter(static_cast<double>(wanted) / kEvents, benchmark::Counter::kAvgIterations);
}
BENCHMARK(filter_matcher)->Arg(1)->Arg(100)->Arg(1'000);

// All groups of each event, as counting what a publish means for every group does.
void filter_all_groups(benchmark::State& state) {
  core::Matcher matcher;
  for (int64_t n = 0; n < state.range(0); ++n) {
    (void)matcher.add(filter_of_group(static_cast<size_t>(n)));
  }
  uint64_t sum = 0;
  for_each_event(state, [&](const core::EventView& event) {
    matcher.groups_of(event.type).for_each([&](uint32_t slot) { sum += slot; });
  });
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(filter_all_groups)->Arg(1)->Arg(100)->Arg(1'000);

// The tree itself: a type that is not remembered.
void filter_new_type(benchmark::State& state) {
  core::PatternTrie trie;
  for (int64_t n = 0; n < state.range(0); ++n) {
    const core::Filter filter = filter_of_group(static_cast<size_t>(n));
    for (const core::Pattern& pattern : filter.patterns()) {
      trie.insert(pattern, static_cast<uint32_t>(n));
    }
  }
  std::vector<std::string> types;
  for (size_t n = 0; n < kTypes; ++n) types.push_back(type_of(n));
  core::SlotSet groups;
  size_t at = 0;
  uint64_t steps = 0;
  for (auto _ : state) {
    groups.clear();
    steps += trie.collect(types[at++ % kTypes], &groups);
    benchmark::DoNotOptimize(groups);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  state.counters["steps"] =
      benchmark::Counter(static_cast<double>(steps), benchmark::Counter::kAvgIterations);
}
BENCHMARK(filter_new_type)->Arg(1)->Arg(100)->Arg(1'000);

void filter_condition(benchmark::State& state) {
  core::Condition condition;
  if (core::parse_condition("grade >= 80", &condition)) std::abort();
  core::Filter filter;
  if (core::Filter::compile({{}, {condition}}, &filter)) std::abort();
  uint64_t wanted = 0;
  for_each_event(state,
                 [&](const core::EventView& event) { wanted += filter.matches(event) ? 1 : 0; });
  benchmark::DoNotOptimize(wanted);
}
BENCHMARK(filter_condition);

}  // namespace
}  // namespace headrace
