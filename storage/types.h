// The vocabulary of the broker: ids as distinct types, so that a partition number cannot be passed
// for a topic number. Ids are fixed-width, never reused; names live in the catalog only.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace headrace {

template <class Tag, class Rep>
class Id {
 public:
  using rep = Rep;
  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  Rep value_ = 0;
};

using TenantId = Id<struct TenantTag, uint32_t>;
using TopicId = Id<struct TopicTag, uint32_t>;
using SliceId = Id<struct SliceTag, uint16_t>;  // 0 until a topic may span shards
using PartitionId = Id<struct PartitionTag, uint32_t>;
using GroupId = Id<struct GroupTag, uint32_t>;
using PrincipalId = Id<struct PrincipalTag, uint32_t>;
using LaneId = Id<struct LaneTag, uint32_t>;  // 0 live, else a replay or redrive job
using ShardId = Id<struct ShardTag, uint16_t>;
using Epoch = Id<struct EpochTag, uint32_t>;         // of a shard: +1 durably at every open
using Offset = Id<struct OffsetTag, int64_t>;        // of an event in its partition, from 0
using ProducerId = Id<struct ProducerTag, int64_t>;  // -1: not idempotent
using Month = Id<struct MonthTag, uint32_t>;         // YYYYMM, UTC, by append time

// 128 bits of an event's id: rows by id, and the memory of ids that were published.
struct IdHash {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const IdHash&) const = default;
};

constexpr Offset operator+(Offset offset, int64_t n) {
  return Offset(offset.value() + n);
}
constexpr int64_t operator-(Offset a, Offset b) {
  return a.value() - b.value();
}

// Tenant 0 is the node itself (shard epochs, applied sequences); tenant 1 is `default`.
constexpr TenantId kNodeTenant{0};
constexpr TenantId kDefaultTenant{1};
constexpr ShardId kMetaShard{0};
constexpr ProducerId kNoProducer{-1};

// One ordering lane of one topic of one tenant.
struct PartitionKey {
  TenantId tenant;
  TopicId topic;
  SliceId slice;
  PartitionId partition;

  auto operator<=>(const PartitionKey&) const = default;
};

// How far an ack promises. Fixed numbers: on the wire and in logs.
enum class Durability : uint8_t {
  memory = 0,   // accepted by the owner; promises nothing after a crash
  written = 1,  // in the operating system's hands: survives a crash of the broker
  durable = 2,  // synced: survives a power cut. The default
};

}  // namespace headrace

template <class Tag, class Rep>
struct std::hash<headrace::Id<Tag, Rep>> {
  size_t operator()(headrace::Id<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
template <>
struct std::hash<headrace::IdHash> {
  size_t operator()(const headrace::IdHash& id) const noexcept { return id.low; }
};
template <>
struct std::hash<headrace::PartitionKey> {
  size_t operator()(const headrace::PartitionKey& key) const noexcept {
    uint64_t mixed =
        (uint64_t{key.tenant.value()} << 32 | key.topic.value()) * 0x9e3779b97f4a7c15ULL;
    mixed ^= (uint64_t{key.slice.value()} << 32 | key.partition.value()) + (mixed >> 29);
    return mixed * 0xbf58476d1ce4e5b9ULL;
  }
};
