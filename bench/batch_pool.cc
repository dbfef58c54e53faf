#include "bench/batch_pool.h"

#include <cstdio>
#include <random>
#include <string>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/batch.h"

namespace headrace::bench {

namespace {
// Places in the header of a record batch (docs/formats.md).
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;

// {"number":12345678,"text":"..."}
void fill_json(std::mt19937_64* random, std::string* data) {
  const size_t size = data->size();
  *data = "{\"number\":" + std::to_string((*random)() % 100'000'000) + ",\"text\":\"";
  while (data->size() + 2 < size) *data += static_cast<char>('a' + (*random)() % 26);
  *data += "\"}";
}

SharedBytes build(uint32_t event_bytes, uint64_t batch_bytes, uint32_t count, uint32_t types,
                  const std::string& json_type, std::mt19937_64* random, uint32_t* built,
                  uint32_t* of_first_type) {
  storage::BatchBuilder builder;
  std::string data(event_bytes, '\0');
  size_t event_size = 0;
  while (count == 0 || static_cast<uint32_t>(builder.count()) < count) {
    if (count == 0 && !builder.empty() && builder.size() + event_size > batch_bytes) break;
    if (!json_type.empty()) {
      data.resize(event_bytes);
      fill_json(random, &data);
    } else {
      for (char& byte : data) byte = static_cast<char>((*random)());
    }
    const auto number = static_cast<uint32_t>(types == 1 ? 0 : (*random)() % types);
    if (number == 0) ++*of_first_type;
    const std::string name = !json_type.empty() ? json_type
                             : types == 1       ? std::string(kEventType)
                                                : event_type(number);
    const storage::HeaderField type{"ce_type", name};
    const size_t before = builder.size();
    builder.add({.key = std::nullopt, .value = data, .timestamp_ms = 0, .headers = {&type, 1}});
    event_size = builder.size() - before;
  }
  *built = static_cast<uint32_t>(builder.count());
  return builder.finish();
}
}  // namespace

std::string event_type(uint32_t number) {
  char name[kEventType.size() + 1];
  std::snprintf(name, sizeof(name), "bench.kind%06u", number % 1'000'000);
  return name;
}

BatchPool::BatchPool(size_t count, uint32_t event_bytes, uint64_t batch_bytes, uint64_t seed,
                     uint32_t types, const std::string& json_type) {
  HR_CHECK(count > 0);
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < count; ++i) {
    batches_.push_back(build(event_bytes, batch_bytes, events_per_batch_, types, json_type, &random,
                             &events_per_batch_, &of_first_type_.emplace_back(0)));
  }
}

std::span<const std::byte> BatchPool::stamp(size_t index, int64_t now_ms) {
  SharedBytes& batch = batches_[index];
  std::byte* bytes = batch.mutable_data();
  store_be(bytes + kBaseTimestampAt, now_ms);
  store_be(bytes + kMaxTimestampAt, now_ms);
  store_be(bytes + kCrcAt, crc32c(batch.span().subspan(kAttributesAt)));
  return batch.span();
}

}  // namespace headrace::bench
