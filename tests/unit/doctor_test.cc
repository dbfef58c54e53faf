// The offline doctor on a small log that is right, and on the same log with one thing wrong.
#include "broker/doctor/doctor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "broker/core/catalog.h"
#include "broker/core/catalog_rows.h"
#include "broker/core/delayed_event.h"
#include "broker/core/log_index.h"
#include "broker/core/retry_entry.h"
#include "records.pb.h"
#include "storage/audit_chain.h"
#include "storage/offset_row.h"
#include "storage/producer_row.h"
#include "storage/settled_row.h"
#include "tests/support/rocks_harness.h"

namespace headrace::doctor {
namespace {

using storage::Place;
using storage::Table;

constexpr Month kDoctorMonth{202611};
constexpr int64_t kStartUs = 1'795'000'000'000'000;  // in that month
constexpr int kBatches = 600;                        // two closed chunks and an open one
constexpr PartitionKey kDoctorPartition{kDefaultTenant, TopicId(1), SliceId(0), PartitionId(0)};
constexpr Place kDoctorState{Table::state, Month(0), kDefaultTenant};
constexpr Place kNodeState{Table::state, Month(0), kNodeTenant};
constexpr Place kDoctorOffsets{Table::offsets, Month(0), kDefaultTenant};
constexpr Place kDoctorLog{Table::log, kDoctorMonth, kDefaultTenant};

std::string number(int64_t value) {
  std::string row(sizeof(value), '\0');
  store_be(reinterpret_cast<std::byte*>(row.data()), value);
  return row;
}

SharedBytes batch_at(Offset base, const std::string& value) {
  storage::BatchBuilder builder;
  const storage::HeaderField type{"ce_type", "a.b"};
  for (int i = 0; i < 2; ++i) builder.add({"key" + value, value, 1'000, {&type, 1}});
  SharedBytes batch = builder.finish();
  storage::patch_batch(batch.mutable_data(), base, Epoch(1));
  return batch;
}

class Doctor : public testing::Test {
 protected:
  void SetUp() override {
    reopen();
    ASSERT_EQ(test::create_month(*store_, sink_, kDoctorMonth, {kDefaultTenant}),
              storage::Status::ok);
    write_catalog();
    write_log();
    storage::WriteSet set;
    storage::ProducerRow producer;
    producer.push({0, 1, Offset(0), kStartUs});
    set.put(kDoctorState, storage::producer_key(kDoctorPartition, ProducerId(7)),
            producer.encode());
    set.put(kDoctorOffsets, storage::offsets_key(kDoctorPartition, GroupId(1), LaneId(0)),
            position(2 * kBatches));
    commit(std::move(set));
  }

  void reopen() { store_ = test::open_store(test::small_rocks_options(directory_.path())); }

  void commit(storage::WriteSet set) {
    set.epoch = Epoch(1);
    set.sequence = ++sequence_;
    set.durability = Durability::durable;
    ASSERT_EQ(test::commit(*store_, sink_, std::move(set)), storage::Status::ok);
  }

  static std::string position(int64_t offset) {
    storage::OffsetRow row;
    row.position = Offset(offset);
    return row.encode();
  }

  void write_catalog() {
    storage::WriteSet set;
    records::Tenant tenant;
    tenant.set_name("default");
    set.put(kNodeState,
            storage::catalog_key(kNodeTenant, core::kTenantEntity, kDefaultTenant.value()),
            tenant.SerializeAsString());
    core::Topic topic;
    topic.name = "orders";
    set.put(kDoctorState, storage::catalog_key(kDefaultTenant, core::kTopicEntity, 1),
            core::encode(topic));
    core::GroupRecord group;
    group.name = "readers";
    group.topic = TopicId(1);
    set.put(kDoctorState, storage::catalog_key(kDefaultTenant, core::kGroupEntity, 1),
            core::encode(group));
    for (const uint8_t kind : core::kIdKinds)
      set.put(kNodeState, storage::id_block_key(kind), number(100));
    commit(std::move(set));
  }

  void write_log() {
    storage::WriteSet set;
    for (int i = 0; i < kBatches; ++i) {
      SharedBytes batch = batch_at(index_.next_offset(), std::to_string(i));
      const auto header = *storage::read_header(batch.span());
      storage::Summary summary;
      ASSERT_EQ(storage::walk(batch.span().subspan(storage::kBatchHeaderSize), header, &summary),
                storage::BatchError::ok);
      index_.append(std::move(batch), header, summary, {}, kStartUs + i, kDoctorMonth, &set);
    }
    commit(std::move(set));
  }

  // Closes the store and looks.
  std::map<std::string, Check> examine_now() {
    store_.reset();
    std::vector<Check> checks;
    std::string error;
    EXPECT_TRUE(examine(directory_.path(), &checks, &error)) << error;
    std::map<std::string, Check> by_name;
    for (Check& check : checks) by_name[check.name] = check;
    return by_name;
  }

  // One finding at least, all of them in `name`, the first of them saying `what`.
  void expect_finding(const std::string& name, const std::string& what) {
    auto checks = examine_now();
    for (const auto& [other, check] : checks) {
      for (const auto& finding : check.findings)
        EXPECT_EQ(other, name) << finding.where << ": " << finding.what;
    }
    ASSERT_FALSE(checks[name].findings.empty()) << "not found: " << what;
    const Finding& first = checks[name].findings.front();
    EXPECT_NE((first.where + ": " + first.what).find(what), std::string::npos)
        << first.where << ": " << first.what;
    EXPECT_FALSE(first.advice.empty());
  }

  // Every file with its size, time and content.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      std::string text = std::to_string(entry.last_write_time().time_since_epoch().count()) + " ";
      if (entry.is_regular_file()) {
        std::ifstream file(entry.path(), std::ios::binary);
        text.append(std::istreambuf_iterator<char>(file), {});
      }
      all[entry.path()] = std::move(text);
    }
    return all;
  }

  test::TemporaryDirectory directory_;
  test::TestSink sink_;
  std::unique_ptr<storage::RocksStore> store_;
  uint64_t sequence_ = 0;
  core::LogIndex index_{kDoctorPartition};
};

TEST_F(Doctor, HasNothingToSayOfWhatIsRightAndChangesNothing) {
  store_.reset();
  const auto before = files();
  const auto checks = examine_now();
  EXPECT_EQ(files(), before);
  ASSERT_EQ(checks.size(), 8u);
  for (const auto& [name, check] : checks) {
    EXPECT_TRUE(check.passed()) << name << ": " << check.findings.front().where << ": "
                                << check.findings.front().what;
  }
  EXPECT_EQ(checks.at("log").covered.substr(0, 12), "600 batches,");
}

TEST_F(Doctor, RefusesADirectoryThatIsServed) {
  const pid_t child = fork();  // a lock of one's own process is not seen
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::vector<Check> checks;
    std::string error;
    const bool opened = examine(directory_.path(), &checks, &error);
    _exit(!opened && error.find("running headrace") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Doctor, RefusesWhatIsNoDataDirectory) {
  test::TemporaryDirectory other;
  std::vector<Check> checks;
  std::string error;
  EXPECT_FALSE(examine(other.path(), &checks, &error));
  EXPECT_NE(error.find("FORMAT"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(other.path()));
}

TEST_F(Doctor, FindsAMissingBatch) {
  storage::WriteSet set;
  set.remove(kDoctorLog, storage::log_key(storage::LogKind::batch, kDoctorPartition, Offset(100)));
  commit(std::move(set));
  expect_finding("log", "@102: follows offset 100");
}

TEST_F(Doctor, FindsADamagedBatch) {
  SharedBytes batch = batch_at(Offset(100), "50");
  batch.mutable_data()[batch.size() - 1] ^= std::byte{1};
  storage::WriteSet set;
  set.put_batch(kDoctorLog,
                storage::log_key(storage::LogKind::batch, kDoctorPartition, Offset(100)), {},
                std::move(batch));
  commit(std::move(set));
  expect_finding("log", "@100: batch checksum");
}

TEST_F(Doctor, FindsAnExchangedBatch) {
  storage::Envelope envelope;
  envelope.append_time_us = kStartUs + 50;
  storage::WriteSet set;
  set.put_batch(kDoctorLog,
                storage::log_key(storage::LogKind::batch, kDoctorPartition, Offset(100)), envelope,
                batch_at(Offset(100), "other"));
  commit(std::move(set));
  expect_finding("log", "describes batch 100 otherwise");
}

TEST_F(Doctor, FindsAChunkRowWithOtherLookups) {
  storage::WriteSet set;
  storage::Envelope envelope;
  envelope.append_time_us = kStartUs + 50;
  set.put_batch(kDoctorLog,
                storage::log_key(storage::LogKind::batch, kDoctorPartition, Offset(100)), envelope,
                batch_at(Offset(100), "xx"));  // of the same size
  commit(std::move(set));
  expect_finding("log", "types or look-ups");
}

TEST_F(Doctor, FindsAMissingChunkRow) {
  storage::WriteSet set;
  set.remove(kDoctorLog, storage::log_key(storage::LogKind::chunk, kDoctorPartition, Offset(0)));
  commit(std::move(set));
  expect_finding("log", "@0: no chunk row describes it");
}

TEST_F(Doctor, FindsALookupRowThatHidesAnEvent) {
  storage::LookupBuilder other;
  const SharedBytes batch = batch_at(Offset(0), "other");
  const auto header = *storage::read_header(batch.span());
  storage::Summary summary;
  ASSERT_EQ(storage::walk(batch.span().subspan(storage::kBatchHeaderSize), header, &summary),
            storage::BatchError::ok);
  other.add(header, kStartUs, summary);
  const storage::Fingerprint print(storage::lookup_hash(storage::Lookup::key, "key7"));
  storage::WriteSet set;
  set.put(kDoctorLog, storage::lookup_key(kDoctorPartition, print.bucket, Offset(0)),
          other.finish().front().second);
  commit(std::move(set));
  expect_finding("log", "are not those of its batches");
}

TEST_F(Doctor, FindsMissingLookupRows) {
  storage::WriteSet set;
  set.remove_range(kDoctorLog, storage::lookup_prefix(kDoctorPartition, 0),
                   storage::lookup_prefix(kDoctorPartition, 1));
  commit(std::move(set));
  expect_finding("log", "@0: are missing");
}

TEST_F(Doctor, DataOfAProgramWithoutLookupRowsIsRight) {
  storage::WriteSet set;
  set.remove_range(kDoctorLog, storage::lookup_prefix(kDoctorPartition, 0),
                   storage::lookup_prefix(kDoctorPartition, 1));
  set.remove(kDoctorState, storage::lookup_span_key(kDoctorPartition));
  commit(std::move(set));
  for (const auto& [name, check] : examine_now()) EXPECT_TRUE(check.passed()) << name;
}

TEST_F(Doctor, FindsLookupRowsOfNoChunk) {
  storage::WriteSet set;
  set.put(kDoctorLog, storage::lookup_key(kDoctorPartition, 5, Offset(3)), "row");
  commit(std::move(set));
  expect_finding("log", "@3: describe a chunk that is not there");
}

TEST_F(Doctor, FindsAMonthThatCountsWrongly) {
  storage::WriteSet set;
  const auto key = storage::months_key(kDoctorPartition, Offset(0));
  const auto stored = test::read(*store_, sink_, kDoctorState, key);
  auto month = *storage::MonthRow::decode(stored.value);
  month.bytes += 1;
  set.put(kDoctorState, key, month.encode());
  commit(std::move(set));
  expect_finding("log", "bytes, the log has");
}

TEST_F(Doctor, FindsRowsOfAnUnknownTopic) {
  PartitionKey other = kDoctorPartition;
  other.topic = TopicId(9);
  storage::WriteSet set;
  set.put(kDoctorState, storage::log_start_key(other), number(0) + number(0));
  commit(std::move(set));
  expect_finding("months", "topic that the catalog does not know");
}

TEST_F(Doctor, FindsAGroupWithoutTopic) {
  core::GroupRecord group;
  group.name = "lost";
  group.topic = TopicId(9);
  storage::WriteSet set;
  set.put(kDoctorState, storage::catalog_key(kDefaultTenant, core::kGroupEntity, 2),
          core::encode(group));
  commit(std::move(set));
  expect_finding("catalog", "group 'lost': reads topic 9");
}

TEST_F(Doctor, FindsAnIdThatWouldBeGivenOutAgain) {
  storage::WriteSet set;
  set.put(kNodeState, storage::id_block_key(core::kTopicEntity), number(1));
  commit(std::move(set));
  expect_finding("catalog", "not below the next one");
}

TEST_F(Doctor, FindsAProducerAheadOfTheLog) {
  storage::ProducerRow producer;
  producer.push({0, 1, Offset(2 * kBatches), kStartUs});
  storage::WriteSet set;
  set.put(kDoctorState, storage::producer_key(kDoctorPartition, ProducerId(7)), producer.encode());
  commit(std::move(set));
  expect_finding("producers", "but the log ends at 1200");
}

TEST_F(Doctor, KnowsThatDelayedPublishesHaveNoPlaceInTheLog) {
  storage::WriteSet set;
  storage::ProducerRow producer;
  producer.push({0, 0, Offset(-1), kStartUs});
  producer.push({1, 1, Offset(0), kStartUs});
  producer.push({2, 2, Offset(-2), kStartUs});
  set.put(kDoctorState, storage::producer_key(kDoctorPartition, ProducerId(7)), producer.encode());
  commit(std::move(set));
  const auto checks = examine_now();
  EXPECT_TRUE(checks.at("producers").passed());
}

TEST_F(Doctor, FindsAGroupAheadOfTheLog) {
  storage::WriteSet set;
  set.put(kDoctorOffsets, storage::offsets_key(kDoctorPartition, GroupId(1), LaneId(0)),
          position(2 * kBatches + 1));
  commit(std::move(set));
  expect_finding("groups", "committed 1201, but the log ends at 1200");
}

TEST_F(Doctor, FindsAPositionOfAnUnknownGroup) {
  storage::WriteSet set;
  set.put(kDoctorOffsets, storage::offsets_key(kDoctorPartition, GroupId(5), LaneId(0)),
          position(1));
  commit(std::move(set));
  expect_finding("groups", "group that the catalog does not know");
}

// ---- acked groups

constexpr Place kRetry{Table::retry, Month(0), kDefaultTenant};
constexpr Place kDlq{Table::dlq, Month(0), kDefaultTenant};
constexpr GroupId kAcked{2};

// One dead letter, one parked event, one blocked one.
class DeliveryDoctor : public Doctor {
 protected:
  void SetUp() override {
    Doctor::SetUp();
    storage::WriteSet set;
    core::GroupRecord group;
    group.name = "mail";
    group.topic = TopicId(1);
    group.kind = core::GroupRecord::Kind::acked;
    set.put(kDoctorState, storage::catalog_key(kDefaultTenant, core::kGroupEntity, 2),
            core::encode(group));
    storage::SettledRow position{Offset(3), {}, 2};
    set.put(kDoctorOffsets, storage::offsets_key(kDoctorPartition, kAcked, LaneId(0)),
            position.encode());
    set.put(kRetry, retry_key(kStartUs, 1), core::RetryEntry{}.encode());
    set.put(kRetry, retry_key(INT64_MAX, 2), core::RetryEntry{INT64_MAX}.encode());
    const std::string letter = records::DeadLetter().SerializeAsString();
    set.put(kDlq, letter_key(4), letter);
    set.put(kDlq, storage::dlq_origin_key(kDoctorPartition, kAcked, LaneId(0), Offset(0)),
            number(4));
    counts_.set_letters(1);
    counts_.set_next_letter(5);
    counts_.set_letter_bytes(static_cast<int64_t>(letter.size()));
    counts_.add_blocked()->set_events(1);
    set.put(kDoctorState, health_key(), counts_.SerializeAsString());
    commit(std::move(set));
  }

  static storage::Key retry_key(int64_t due_us, int64_t offset) {
    return storage::retry_key(kDoctorPartition, kAcked, LaneId(0), due_us, Offset(offset), 2);
  }
  static storage::Key letter_key(uint64_t sequence) {
    return storage::dlq_letter_key(kDefaultTenant, TopicId(1), SliceId(0), kAcked, sequence);
  }
  static storage::Key health_key() {
    return storage::health_key(kDefaultTenant, TopicId(1), SliceId(0), kAcked);
  }

  records::GroupHealth counts_;
};

TEST_F(DeliveryDoctor, HasNothingToSayOfWhatIsRight) {
  store_.reset();
  std::vector<Check> checks;
  std::string error;
  ASSERT_TRUE(examine(directory_.path(), &checks, &error)) << error;
  for (const auto& check : checks) {
    EXPECT_TRUE(check.passed()) << check.name << ": " << check.findings.front().what;
  }
  const auto delivery = std::ranges::find(checks, "delivery", &Check::name);
  ASSERT_NE(delivery, checks.end());
  EXPECT_EQ(delivery->covered, "2 parked events, 1 dead letters");
}

TEST_F(DeliveryDoctor, FindsALostRetryRow) {
  storage::WriteSet set;
  set.remove(kRetry, retry_key(kStartUs, 1));
  commit(std::move(set));
  expect_finding("delivery", "counts 2 parked events, but there are 1");
}

TEST_F(DeliveryDoctor, FindsABlockedEventThatIsNotCounted) {
  storage::WriteSet set;
  counts_.clear_blocked();
  set.put(kDoctorState, health_key(), counts_.SerializeAsString());
  commit(std::move(set));
  expect_finding("delivery", "counts 0 blocked events");
}

TEST_F(DeliveryDoctor, FindsALostLetter) {
  storage::WriteSet set;
  set.remove(kDlq, letter_key(4));
  commit(std::move(set));
  expect_finding("delivery", "names dead letter 4, which does not exist");
}

TEST_F(DeliveryDoctor, FindsALetterThatIsNotCounted) {
  storage::WriteSet set;
  set.put(kDlq, letter_key(5), "");
  commit(std::move(set));
  expect_finding("delivery", "counts 1 dead letters");
}

TEST_F(DeliveryDoctor, CountsRedrivenLettersApart) {
  storage::WriteSet set;
  records::DeadLetter letter;
  letter.set_redriven_by(1);
  set.put(kDlq, letter_key(3), letter.SerializeAsString());
  commit(std::move(set));
  expect_finding("delivery", "counts 0 redriven dead letters, but there are 1");
}

// ---- beside the log

constexpr Place kDelayed{Table::delayed, Month(0), kDefaultTenant};
constexpr Place kDedup{Table::dedup, Month(0), kDefaultTenant};

TEST_F(Doctor, FindsADelayedEventThatIsNotCounted) {
  storage::WriteSet set;
  core::DelayedRow row;
  row.event = core::build_event({}, "id");
  set.put(kDelayed, storage::delayed_entry_key(kDoctorPartition, kStartUs, 7),
          core::encode_delayed(row));
  commit(std::move(set));
  expect_finding("beside the log", "counts 0 delayed events of 0 bytes, but there are 1");
}

TEST_F(Doctor, FindsDelayedEventsOfNoTopic) {
  storage::WriteSet set;
  PartitionKey nowhere = kDoctorPartition;
  nowhere.topic = TopicId(99);
  set.put(kDelayed, storage::delayed_totals_key(nowhere), number(0) + number(0));
  commit(std::move(set));
  expect_finding("beside the log", "belongs to no topic");
}

TEST_F(Doctor, FindsEventIdsThatDoNotParse) {
  storage::WriteSet set;
  set.put(kDedup, storage::dedup_key(kDoctorPartition, kStartUs, Offset(0)), "x");
  commit(std::move(set));
  expect_finding("beside the log", "does not parse");
}

// ---- the audit trail

constexpr Place kAudit{Table::audit, Month(0), kDefaultTenant};

class AuditDoctor : public Doctor {
 protected:
  void SetUp() override {
    Doctor::SetUp();
    storage::WriteSet set;
    for (int i = 0; i < 3; ++i) {
      const auto key = storage::audit_key(kDefaultTenant, kShard, ++head_.last);
      records::AuditEntry entry;
      entry.set_at_us(kStartUs + i);
      const std::string bytes = entry.SerializeAsString();
      head_.hash = storage::audit_hash(head_.hash, key, bytes);
      set.put(kAudit, key, storage::encode_audit_row(head_.hash, bytes));
    }
    put_head(&set);
    commit(std::move(set));
  }

  void put_head(storage::WriteSet* set) {
    set->put(kNodeState, storage::audit_head_key(kShard, kDefaultTenant), head_.encode());
  }

  static constexpr ShardId kShard{5};
  storage::AuditHead head_;
};

TEST_F(AuditDoctor, HasNothingToSayOfAWholeChain) {
  store_.reset();
  std::vector<Check> checks;
  std::string error;
  ASSERT_TRUE(examine(directory_.path(), &checks, &error)) << error;
  for (const auto& check : checks) {
    EXPECT_TRUE(check.passed()) << check.name << ": " << check.findings.front().what;
  }
  EXPECT_EQ(checks.back().covered, "3 entries");
}

TEST_F(AuditDoctor, FindsAChangedEntry) {
  storage::WriteSet set;
  records::AuditEntry entry;
  entry.set_actor("somebody else");
  set.put(kAudit, storage::audit_key(kDefaultTenant, kShard, 2),
          storage::encode_audit_row(sha256({"x"}), entry.SerializeAsString()));
  commit(std::move(set));
  expect_finding("audit", "its hash is not that of what it says");
}

TEST_F(AuditDoctor, FindsAMissingEntry) {
  storage::WriteSet set;
  set.remove(kAudit, storage::audit_key(kDefaultTenant, kShard, 2));
  commit(std::move(set));
  expect_finding("audit", "entry 2 is missing");
}

TEST_F(AuditDoctor, FindsAChainThatWasCutOff) {
  storage::WriteSet set;
  set.remove(kAudit, storage::audit_key(kDefaultTenant, kShard, 3));
  commit(std::move(set));
  expect_finding("audit", "names 3 entries, but there are 2");
}

TEST_F(AuditDoctor, FindsEntriesWithoutAHead) {
  storage::WriteSet set;
  set.remove(kNodeState, storage::audit_head_key(kShard, kDefaultTenant));
  commit(std::move(set));
  expect_finding("audit", "has entries and no head");
}

}  // namespace
}  // namespace headrace::doctor
