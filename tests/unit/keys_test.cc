#include "storage/keys.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <tuple>

namespace headrace::storage {
namespace {

PartitionKey any_partition() {
  return {TenantId(*rc::gen::arbitrary<uint32_t>()), TopicId(*rc::gen::arbitrary<uint32_t>()),
          SliceId(*rc::gen::arbitrary<uint16_t>()), PartitionId(*rc::gen::arbitrary<uint32_t>())};
}

Offset any_offset() {
  return Offset(*rc::gen::nonNegative<int64_t>());
}

const PartitionKey kKeyedPartition{TenantId(1), TopicId(2), SliceId(0), PartitionId(3)};

RC_GTEST_PROP(Keys, LogKeysParseBack, ()) {
  const PartitionKey partition = any_partition();
  const Offset offset = any_offset();
  const LogKind kind = *rc::gen::element(LogKind::chunk, LogKind::batch);
  const auto parts = parse_log_key(log_key(kind, partition, offset).view());
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->kind == kind);
  RC_ASSERT(parts->partition == partition);
  RC_ASSERT(parts->base_offset == offset);
}

RC_GTEST_PROP(Keys, LookupKeysParseBackAndLieInTheirSegment, ()) {
  const PartitionKey partition = any_partition();
  const Offset base = any_offset();
  const auto bucket = *rc::gen::arbitrary<uint8_t>();
  const Key key = lookup_key(partition, bucket, base);
  const auto parts = parse_lookup_key(key.view());
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->partition == partition);
  RC_ASSERT(parts->bucket == bucket);
  RC_ASSERT(parts->chunk_base == base);
  RC_ASSERT(!parse_log_key(key.view()).has_value());
  const int64_t segment = base.value() >> kLookupSegmentBits;
  RC_ASSERT(key > lookup_prefix(partition, segment));
  RC_ASSERT(key < lookup_prefix(partition, segment).after_prefix());
  RC_ASSERT(key > log_prefix(LogKind::batch, partition).after_prefix());
}

RC_GTEST_PROP(Keys, LogKeysSortByTenantKindPartitionOffset, ()) {
  const PartitionKey a = any_partition();
  const PartitionKey b = *rc::gen::element(a, any_partition());
  const Offset at_a = any_offset();
  const Offset at_b = any_offset();
  const LogKind kind_a = *rc::gen::element(LogKind::chunk, LogKind::batch);
  const LogKind kind_b = *rc::gen::element(LogKind::chunk, LogKind::batch);
  const auto fields = [](const PartitionKey& partition, LogKind kind, Offset offset) {
    return std::tuple(partition.tenant, kind, partition.topic, partition.slice, partition.partition,
                      offset);
  };
  RC_ASSERT((log_key(kind_a, a, at_a) <=> log_key(kind_b, b, at_b)) ==
            (fields(a, kind_a, at_a) <=> fields(b, kind_b, at_b)));
}

RC_GTEST_PROP(Keys, OffsetsKeysParseBackAndStayUnderTheirPrefixes, ()) {
  const PartitionKey partition = any_partition();
  const GroupId group(*rc::gen::arbitrary<uint32_t>());
  const LaneId lane(*rc::gen::arbitrary<uint32_t>());
  const Key key = offsets_key(partition, group, lane);
  const auto parts = parse_offsets_key(key.view());
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->partition == partition);
  RC_ASSERT(parts->group == group);
  RC_ASSERT(parts->lane == lane);
  const Key topic = offsets_prefix(partition.tenant, partition.topic, partition.slice);
  const Key of_group = offsets_prefix(partition.tenant, partition.topic, partition.slice, group);
  RC_ASSERT(key.view().starts_with(topic.view()));
  RC_ASSERT(key.view().starts_with(of_group.view()));
}

RC_GTEST_PROP(Keys, DelayedKeysParseBackAndSortByDueTime, ()) {
  const PartitionKey partition = any_partition();
  const int64_t due_us = any_offset().value();
  const auto sequence = *rc::gen::arbitrary<uint64_t>();
  const IdHash id{*rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint64_t>()};
  const Key entry = delayed_entry_key(partition, due_us, sequence);
  const Key by_id = delayed_id_key(partition, id, due_us, sequence);
  for (const Key& key : {entry, by_id}) {
    const auto parts = parse_delayed_key(key.view());
    RC_ASSERT(parts.has_value());
    RC_ASSERT(parts->partition == partition);
    RC_ASSERT(parts->due_us == due_us);
    RC_ASSERT(parts->sequence == sequence);
  }
  RC_ASSERT(parse_delayed_key(by_id.view())->id == id);
  RC_ASSERT(parse_delayed_key(delayed_totals_key(partition).view())->partition == partition);
  RC_ASSERT(entry.view().starts_with(delayed_prefix(partition).view()));
  const int64_t other_us = any_offset().value();
  RC_ASSERT((delayed_entry_key(partition, other_us, sequence) <=> entry) == (other_us <=> due_us));
}

RC_GTEST_PROP(Keys, DedupKeysParseBackAndSortByTime, ()) {
  const PartitionKey partition = any_partition();
  const int64_t time_us = any_offset().value();
  const Offset base = any_offset();
  const Key key = dedup_key(partition, time_us, base);
  const auto parts = parse_dedup_key(key.view());
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->partition == partition);
  RC_ASSERT(parts->append_time_us == time_us);
  RC_ASSERT(parts->base_offset == base);
  const int64_t other_us = any_offset().value();
  RC_ASSERT(other_us == time_us ||
            (dedup_key(partition, other_us, Offset(0)) < key) == (other_us < time_us));
}

RC_GTEST_PROP(Keys, AuditKeysParseBackAndSortBySequence, ()) {
  const auto tenant = TenantId(*rc::gen::arbitrary<uint32_t>());
  const auto shard = ShardId(*rc::gen::arbitrary<uint16_t>());
  const auto sequence = *rc::gen::arbitrary<uint64_t>();
  const Key key = audit_key(tenant, shard, sequence);
  const auto parts = parse_audit_key(key.view());
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->tenant == tenant && parts->shard == shard && parts->sequence == sequence);
  RC_ASSERT(key.view().starts_with(audit_prefix(tenant, shard).view()));
  const auto other = *rc::gen::arbitrary<uint64_t>();
  RC_ASSERT((audit_key(tenant, shard, other) <=> key) == (other <=> sequence));
  const Key head = audit_head_key(shard, tenant);
  RC_ASSERT(parse_audit_head_key(head.view()) == tenant);
  RC_ASSERT(head.view().starts_with(audit_head_prefix(shard).view()));
}

RC_GTEST_PROP(Keys, StateKeysStayUnderTheirPrefixes, ()) {
  const PartitionKey partition = any_partition();
  const auto tenant = tenant_prefix(partition.tenant);
  const Offset offset = any_offset();
  const Key months = months_key(partition, offset);
  RC_ASSERT(months.view().starts_with(state_prefix(StateKind::months, partition).view()));
  RC_ASSERT(months.view().starts_with(state_prefix(partition.tenant, StateKind::months).view()));
  RC_ASSERT(months.view().starts_with(tenant.view()));
  RC_ASSERT(parse_trailing_i64(months.view()) == offset.value());
  const ProducerId producer(offset.value());
  RC_ASSERT(parse_trailing_i64(producer_key(partition, producer).view()) == producer.value());
}

RC_GTEST_PROP(Keys, AttemptsAreInTheOrderOfTheirLastOffsets, ()) {
  const PartitionKey partition = any_partition();
  const GroupId group(*rc::gen::arbitrary<uint32_t>());
  const LaneId lane(*rc::gen::arbitrary<uint32_t>());
  const Offset last = any_offset();
  const Offset other = any_offset();
  const Key key = attempts_key(partition, group, last, lane);
  const auto parts = parse_attempts_key(key.view());
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->partition == partition && parts->group == group);
  RC_ASSERT(parts->last == last && parts->lane == lane);
  RC_ASSERT(key.view().starts_with(attempts_prefix(partition, group).view()));
  RC_ASSERT((attempts_key(partition, group, other, lane) <=> key) == (other <=> last));
  RC_ASSERT(!parse_attempts_key(key.view().substr(1)));
}

RC_GTEST_PROP(Keys, AfterPrefixIsTheLeastUpperBound, ()) {
  const auto byte = rc::gen::element<char>('\0', 'a', '\xfe', '\xff');
  const auto prefix = *rc::gen::resize(6, rc::gen::container<std::string>(byte));
  const auto other = *rc::gen::resize(8, rc::gen::container<std::string>(byte));
  const Key after = Key(prefix).after_prefix();
  const bool below = Key(other) < after;
  RC_ASSERT(below == (other.starts_with(prefix) || other < prefix));
}

TEST(Keys, ForeignKeysDoNotParse) {
  const Key key = log_key(LogKind::batch, kKeyedPartition, Offset(42));
  for (size_t size = 0; size < key.size(); ++size) {
    EXPECT_FALSE(parse_log_key(key.view().substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_log_key(std::string(key.view()) + "x"));
  std::string other_kind(key.view());
  other_kind[4] = 3;
  EXPECT_FALSE(parse_log_key(other_kind));
  std::string negative(key.view());
  negative[15] = '\x80';
  EXPECT_FALSE(parse_log_key(negative));
  EXPECT_FALSE(parse_offsets_key(key.view()));
  EXPECT_FALSE(parse_trailing_i64(log_start_key(kKeyedPartition).view()));
}

TEST(Keys, TextNamesWhatTheyAre) {
  EXPECT_EQ(to_text(Table::log, log_key(LogKind::batch, kKeyedPartition, Offset(42)).view()),
            "log batch t1/topic2/s0/p3@42");
  EXPECT_EQ(to_text(Table::log, lookup_key(kKeyedPartition, 129, Offset(7)).view()),
            "log lookup t1/topic2/s0/p3@7 bucket 129");
  EXPECT_EQ(to_text(Table::log, log_key(LogKind::chunk, kKeyedPartition, Offset(0)).view()),
            "log chunk t1/topic2/s0/p3@0");
  EXPECT_EQ(to_text(Table::offsets, offsets_key(kKeyedPartition, GroupId(7), LaneId(0)).view()),
            "offsets t1/topic2/s0/p3 group 7 lane 0");
  EXPECT_EQ(to_text(Table::state, months_key(kKeyedPartition, Offset(9)).view()),
            "state months t1/topic2/s0/p3@9");
  EXPECT_EQ(to_text(Table::state, producer_key(kKeyedPartition, ProducerId(5)).view()),
            "state producers t1/topic2/s0/p3 producer 5");
  EXPECT_EQ(to_text(Table::state, log_start_key(kKeyedPartition).view()),
            "state log_start t1/topic2/s0/p3");
  EXPECT_EQ(to_text(Table::state, epoch_start_key(kKeyedPartition, Epoch(4)).view()),
            "state epoch_start t1/topic2/s0/p3 epoch 4");
  EXPECT_EQ(to_text(Table::state, catalog_key(TenantId(1), 2, 3).view()),
            "state catalog t1 entity 2 id 3");
  EXPECT_EQ(to_text(Table::state, applied_key(ShardId(63)).view()), "state applied shard 63");
  EXPECT_EQ(to_text(Table::state, epoch_key(ShardId(1)).view()), "state epoch shard 1");
  EXPECT_EQ(to_text(Table::state, id_block_key(1).view()), "state id_block kind 1");
  EXPECT_EQ(to_text(Table::log, "\x01\xff"), "log 0x01ff");
  EXPECT_EQ(to_text(Table::state, std::string_view("\0\0\0\1\7", 5)), "state 0x0000000107");
  EXPECT_EQ(to_text(Table::retry, "r"), "retry 0x72");
}

TEST(Keys, TablesHaveNames) {
  EXPECT_EQ(to_string(Table::delayed), "delayed");
  EXPECT_EQ(to_string(Table::dlq), "dlq");
  EXPECT_EQ(to_string(Table::audit), "audit");
  EXPECT_EQ(to_string(Table::rollup), "rollup");
  EXPECT_EQ(to_string(Table::dedup), "dedup");
  EXPECT_EQ(to_string(static_cast<Table>(kTableCount)), "invalid");
}

TEST(KeysDeathTest, NegativeNumbersAndLongKeysAreBugs) {
  EXPECT_DEATH(log_key(LogKind::batch, kKeyedPartition, Offset(-1)), "check failed");
  EXPECT_DEATH(Key(std::string(48, 'k')), "check failed");
  Key full(std::string(47, 'k'));
  EXPECT_DEATH(full.append(uint8_t{1}), "check failed");
}

}  // namespace
}  // namespace headrace::storage
