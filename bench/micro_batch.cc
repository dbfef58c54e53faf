// What a batch costs: building it, checking its header and checksum, walking its records,
// compressing and inflating it.
#include <benchmark/benchmark.h>

#include "bench/batch_pool.h"
#include "storage/batch.h"

namespace headrace {
namespace {

constexpr uint64_t kBatchBytes = 64 << 10;

void set_rates(benchmark::State& state, uint64_t events, uint64_t bytes) {
  const auto rounds = static_cast<int64_t>(state.iterations());
  state.SetItemsProcessed(rounds * static_cast<int64_t>(events));
  state.SetBytesProcessed(rounds * static_cast<int64_t>(bytes));
}

void build(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'x');
  const storage::HeaderField type{"ce_type", bench::kEventType};
  storage::EventFields event;
  event.value = value;
  event.headers = {&type, 1};
  const uint64_t count =
      bench::BatchPool(1, static_cast<uint32_t>(value.size()), kBatchBytes, 1).events_per_batch();
  storage::BatchBuilder builder;
  size_t size = 0;
  for (auto _ : state) {
    for (uint64_t i = 0; i < count; ++i) builder.add(event);
    const SharedBytes batch = builder.finish();
    size = batch.size();
    benchmark::DoNotOptimize(batch.data());
  }
  set_rates(state, count, size);
}
BENCHMARK(build)->Arg(100)->Arg(1024);

void check_header(benchmark::State& state) {
  bench::BatchPool pool(16, static_cast<uint32_t>(state.range(0)), kBatchBytes, 1);
  std::vector<std::span<const std::byte>> batches;
  for (size_t i = 0; i < pool.size(); ++i) batches.push_back(pool.stamp(i, 1));
  size_t at = 0;
  storage::BatchHeader header;
  for (auto _ : state) {
    const auto error = storage::check_header(batches[at++ % batches.size()], &header);
    if (error != storage::BatchError::ok) state.SkipWithError("not a valid batch");
  }
  set_rates(state, pool.events_per_batch(), batches[0].size());
}
BENCHMARK(check_header)->Arg(100)->Arg(1024);

void walk(benchmark::State& state) {
  bench::BatchPool pool(16, static_cast<uint32_t>(state.range(0)), kBatchBytes, 1);
  std::vector<std::span<const std::byte>> batches;
  for (size_t i = 0; i < pool.size(); ++i) batches.push_back(pool.stamp(i, 1));
  const auto header = storage::read_header(batches[0]);
  size_t at = 0;
  for (auto _ : state) {
    storage::Summary summary;
    const auto records = batches[at++ % batches.size()].subspan(storage::kBatchHeaderSize);
    const auto error = storage::walk(records, *header, &summary);
    if (error != storage::BatchError::ok) state.SkipWithError("records do not parse");
    benchmark::DoNotOptimize(summary.types.data());
  }
  set_rates(state, pool.events_per_batch(), batches[0].size());
}
BENCHMARK(walk)->Arg(100)->Arg(1024);

// Text that compresses about as log lines do.
std::string sample_text() {
  std::string text;
  for (int i = 0; text.size() < kBatchBytes; ++i) {
    text += "2026-01-31 12:00:" + std::to_string(i % 60) + " status installed package-" +
            std::to_string(i * 7919 % 1000) + ":amd64 1." + std::to_string(i % 17) + "-2\n";
  }
  return text;
}

void compress(benchmark::State& state) {
  const auto codec = static_cast<storage::Codec>(state.range(0));
  const std::string text = sample_text();
  std::string out;
  for (auto _ : state) {
    out.clear();
    storage::compress(codec, std::as_bytes(std::span(text)), &out);
  }
  state.SetLabel(std::string(to_string(codec)));
  state.counters["ratio"] = static_cast<double>(text.size()) / static_cast<double>(out.size());
  set_rates(state, 0, text.size());
}
BENCHMARK(compress)->DenseRange(1, 4);

void inflate(benchmark::State& state) {
  const auto codec = static_cast<storage::Codec>(state.range(0));
  const std::string text = sample_text();
  std::string packed;
  storage::compress(codec, std::as_bytes(std::span(text)), &packed);
  std::string out;
  for (auto _ : state) {
    out.clear();
    const auto error = storage::inflate(codec, std::as_bytes(std::span(packed)), 16u << 20, &out);
    if (error != storage::BatchError::ok) state.SkipWithError("does not inflate");
  }
  state.SetLabel(std::string(to_string(codec)));
  set_rates(state, 0, text.size());
}
BENCHMARK(inflate)->DenseRange(1, 4);

}  // namespace
}  // namespace headrace
