#include "broker/core/audit.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/option_changes.h"

namespace headrace::core {
namespace {

TEST(AuditPage, ListsEveryAction) {
  std::vector<std::string> expected;
#define HR_AUDIT(name, action, text) expected.push_back("| `" action "` | " text " |");
#include "broker/core/audit.def"
#undef HR_AUDIT
  std::ifstream page(HEADRACE_SOURCE_DIR "/docs/audit.md");
  std::vector<std::string> listed;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `")) listed.push_back(line);
  }
  EXPECT_EQ(listed, expected);
}

TEST(AuditChain, EveryPartOfAnEntryIsInItsHash) {
  const Sha256 before{};
  const auto key = [](uint32_t tenant, uint16_t shard, uint64_t sequence) {
    return storage::audit_key(TenantId(tenant), ShardId(shard), sequence);
  };
  const Sha256 hash = storage::audit_hash(before, key(1, 2, 3), "entry");
  EXPECT_EQ(hash, storage::audit_hash(before, key(1, 2, 3), "entry"));
  Sha256 other = before;
  other[31] = std::byte{1};
  EXPECT_NE(hash, storage::audit_hash(other, key(1, 2, 3), "entry"));
  EXPECT_NE(hash, storage::audit_hash(before, key(2, 2, 3), "entry"));
  EXPECT_NE(hash, storage::audit_hash(before, key(1, 3, 3), "entry"));
  EXPECT_NE(hash, storage::audit_hash(before, key(1, 2, 4), "entry"));
  EXPECT_NE(hash, storage::audit_hash(before, key(1, 2, 3), "Entry"));
}

TEST(AuditChain, RowsOfStrangers) {
  EXPECT_FALSE(storage::decode_audit_row(std::string(31, 'x')));
  storage::AuditHead head;
  head.last = 7;
  head.told = 5;
  head.hash = sha256({"x"});
  const std::string row = head.encode();
  const auto read = storage::AuditHead::decode(row);
  ASSERT_TRUE(read);
  EXPECT_EQ(std::pair(read->last, read->told), std::pair(uint64_t{7}, uint64_t{5}));
  EXPECT_EQ(read->hash, head.hash);
  EXPECT_FALSE(storage::AuditHead::decode(row + "x"));
  EXPECT_FALSE(storage::AuditHead::decode(std::string(row.size(), '\2')));
}

TEST(Sha256, Vectors) {  // FIPS 180-4: "abc"
  const Sha256 hash = sha256({"a", "", "bc"});
  EXPECT_EQ(hash[0], std::byte{0xba});
  EXPECT_EQ(hash[1], std::byte{0x78});
  EXPECT_EQ(hash[31], std::byte{0xad});
}

TEST(OptionChanges, AreToldAsPeopleReadThem) {
  GroupOptions before;
  EXPECT_TRUE(option_changes(before, before).empty());
  GroupOptions after = before;
  after.filters = {"a.*", "b"};
  after.ack_deadline_us = 90 * kMicrosPerSecond;
  after.retry.factor = 2.5;
  after.retry.delays_us = {kMicrosPerSecond, 2 * kMicrosPerSecond};
  after.dlq_bytes = 64 << 20;
  after.dlq_overflow = GroupOptions::Overflow::drop_oldest;
  std::vector<std::string> told;
  for (const AuditChange& change : option_changes(before, after)) {
    told.push_back(change.field + ": " + change.before + " > " + change.after);
  }
  EXPECT_EQ(told, (std::vector<std::string>{"filters:  > a.*, b", "ack_deadline: 30s > 90s",
                                            "retry_factor: 2 > 2.5", "retry_delays:  > 1s, 2s",
                                            "dlq_bytes: 1GiB > 64MiB",
                                            "dlq_overflow: block > drop_oldest"}));
}

}  // namespace
}  // namespace headrace::core
