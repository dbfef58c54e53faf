// XXH64 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). The values are persistent: bloom
// filters of chunk rows are made of them.
#include <bit>
#include <cstring>

#include "storage/batch.h"

namespace headrace::storage {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87ULL;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FULL;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9ULL;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63ULL;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5ULL;

template <class T>
T load_le(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

uint64_t round(uint64_t accumulator, uint64_t lane) {
  return std::rotl(accumulator + lane * kPrime2, 31) * kPrime1;
}

uint64_t merge(uint64_t accumulator, uint64_t other) {
  return (accumulator ^ round(0, other)) * kPrime1 + kPrime4;
}

// All whole 32-byte stripes; moves *at behind them.
uint64_t hash_stripes(uint64_t seed, const char** at, const char* end) {
  uint64_t a = seed + kPrime1 + kPrime2;
  uint64_t b = seed + kPrime2;
  uint64_t c = seed;
  uint64_t d = seed - kPrime1;
  for (; end - *at >= 32; *at += 32) {
    a = round(a, load_le<uint64_t>(*at));
    b = round(b, load_le<uint64_t>(*at + 8));
    c = round(c, load_le<uint64_t>(*at + 16));
    d = round(d, load_le<uint64_t>(*at + 24));
  }
  const uint64_t mixed = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
  return merge(merge(merge(merge(mixed, a), b), c), d);
}

constexpr uint64_t kSecondIdSeed = 4;  // beside the numbers of Lookup

uint64_t xxh64(uint64_t seed, std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t hash = bytes.size() >= 32 ? hash_stripes(seed, &at, end) : seed + kPrime5;
  hash += bytes.size();
  for (; end - at >= 8; at += 8) {
    hash = std::rotl(hash ^ round(0, load_le<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  }
  if (end - at >= 4) {
    hash = std::rotl(hash ^ load_le<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at < end; ++at) {
    hash = std::rotl(hash ^ static_cast<unsigned char>(*at) * kPrime5, 11) * kPrime1;
  }
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

}  // namespace

uint64_t lookup_hash(Lookup what, std::string_view bytes) {
  return xxh64(static_cast<uint64_t>(what), bytes);
}

IdHash id_hash(std::string_view id) {
  return {xxh64(static_cast<uint64_t>(Lookup::id), id), xxh64(kSecondIdSeed, id)};
}

}  // namespace headrace::storage
