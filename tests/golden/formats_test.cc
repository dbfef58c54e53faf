// The bytes of every stored format, pinned in tests/golden/bytes/*.hex (docs/formats.md refers to
// them). UPDATE_GOLDEN=1 rewrites the files: then read the diff, because data on disks has the old
// form.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "storage/batch.h"
#include "storage/byte_reader.h"
#include "storage/chunk.h"
#include "storage/dedup_row.h"
#include "storage/lookup_rows.h"
#include "storage/month.h"
#include "storage/month_file.h"
#include "storage/offset_row.h"
#include "storage/producer_row.h"
#include "storage/violations.h"
#include "storage/write_set.h"

namespace headrace::storage {
namespace {

const PartitionKey kPartition{TenantId(1), TopicId(2), SliceId(0), PartitionId(3)};

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) text += i % 16 == 0 ? '\n' : ' ';
    text += kDigits[static_cast<unsigned char>(bytes[i]) >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text + "\n";
}

std::string unhex(const std::string& text) {
  std::istringstream in(text);
  std::string bytes;
  for (std::string digits; in >> digits;) {
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
  }
  return bytes;
}

// Compares with the file, or rewrites it. Returns the bytes of the file, for decoding.
std::string golden(const std::string& name, std::string_view bytes) {
  const std::string path = HEADRACE_SOURCE_DIR "/tests/golden/bytes/" + name + ".hex";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << hex(bytes);
  std::ostringstream pinned;
  pinned << std::ifstream(path).rdbuf();
  EXPECT_EQ(pinned.str(), hex(bytes)) << name;
  return unhex(pinned.str());
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

BatchBuilder two_events() {
  static const HeaderField kHeaders[] = {{"ce_type", "order.paid"}, {"ce_id", "e-1"}};
  BatchBuilder builder;
  builder.set_producer(ProducerId(4711), 1, 10);
  builder.add(
      {.key = "k1", .value = "paid", .timestamp_ms = 1'793'318'400'000, .headers = kHeaders});
  builder.add({.key = std::nullopt, .value = std::nullopt, .timestamp_ms = 1'793'318'400'250});
  return builder;
}

SharedBytes stored_batch() {
  SharedBytes batch = two_events().finish();
  patch_batch(batch.mutable_data(), Offset(42), Epoch(7));
  return batch;
}

TEST(GoldenBytes, Keys) {
  const std::pair<const char*, Key> keys[] = {
      {"key_log_chunk", log_key(LogKind::chunk, kPartition, Offset(42))},
      {"key_log_batch", log_key(LogKind::batch, kPartition, Offset(42))},
      {"key_log_lookup", lookup_key(kPartition, 90, Offset(5 << kLookupSegmentBits))},
      {"key_lookup_span", lookup_span_key(kPartition)},
      {"key_offsets", offsets_key(kPartition, GroupId(5), LaneId(6))},
      {"key_delayed_entry", delayed_entry_key(kPartition, 1'793'318'400'000'001, 7ULL << 40 | 9)},
      {"key_delayed_id",
       delayed_id_key(kPartition, id_hash("e-1"), 1'793'318'400'000'001, 7ULL << 40 | 9)},
      {"key_delayed_totals", delayed_totals_key(kPartition)},
      {"key_dedup", dedup_key(kPartition, 1'793'318'400'000'001, Offset(42))},
      {"key_months", months_key(kPartition, Offset(42))},
      {"key_producers", producer_key(kPartition, ProducerId(4711))},
      {"key_log_start", log_start_key(kPartition)},
      {"key_epoch_start", epoch_start_key(kPartition, Epoch(7))},
      {"key_catalog", catalog_key(TenantId(1), 2, 3)},
      {"key_applied", applied_key(ShardId(63))},
      {"key_epoch", epoch_key(ShardId(63))},
      {"key_id_block", id_block_key(1)},
      {"key_month_import", month_import_key(kPartition)},
      {"key_attempts", attempts_key(kPartition, GroupId(5), Offset(255), LaneId(6))},
      {"key_job", job_key(TenantId(1), TopicId(2), SliceId(0), GroupId(5), LaneId(6))},
  };
  for (const auto& [name, key] : keys) golden(name, key.view());
}

TEST(GoldenBytes, MonthFile) {
  MonthFileHeader header;
  header.cluster_id = "c1";
  header.tenant = "acme";
  header.month = Month(202610);
  header.created_us = 1'793'318'400'000'001;
  header.topics = {{TopicId(2), "orders", 4}};
  header.ranges = {{0, PartitionId(3), Offset(42), Offset(44)}};
  std::string bytes;
  MonthFileWriter writer([&](std::string_view more) {
    bytes += more;
    return true;
  });
  MonthFileTotals totals;
  ASSERT_TRUE(writer.begin(header));
  ASSERT_TRUE(writer.add(0, 1'793'318'400'000'001, stored_batch().view()));
  ASSERT_TRUE(writer.finish(&totals));
  std::string pinned = golden("month_file", bytes);
  MonthFileReader reader([&](char* to, size_t size) {
    size = std::min(size, pinned.size());
    std::memcpy(to, pinned.data(), size);
    pinned.erase(0, size);
    return size;
  });
  ASSERT_TRUE(reader.open()) << reader.error();
  EXPECT_EQ(reader.header(), header);
  MonthFileBatch batch;
  ASSERT_EQ(reader.next(&batch), MonthFileReader::Next::batch) << reader.error();
  EXPECT_EQ(batch.bytes, stored_batch().view());
  EXPECT_EQ(reader.next(&batch), MonthFileReader::Next::end) << reader.error();
}

TEST(GoldenBytes, ImportRow) {
  const ImportRow row{Month(202610), Offset(42), Offset(99)};
  EXPECT_EQ(ImportRow::decode(golden("import_row", row.encode())), row);
  EXPECT_FALSE(ImportRow::decode(row.encode() + "x"));
  EXPECT_FALSE(ImportRow::decode(ImportRow{Month(202610), Offset(42), Offset(42)}.encode()));
}

TEST(GoldenBytes, Envelope) {
  const Envelope envelope{0, 3, 1'793'318'400'000'001};
  const auto bytes = envelope.encode();
  const auto decoded = Envelope::decode(bytes_of(golden("envelope", as_text(bytes))));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->append_time_us, envelope.append_time_us);
}

TEST(GoldenBytes, ValueWithViolations) {
  const Envelope envelope{kEnvelopeHasViolations, 0, 1'793'318'400'000'001};
  Violations violations;
  violations.add(0, "/total: is not a number");
  violations.add(2, "");
  violations.add(3, "");
  const std::string value = std::string(as_text(envelope.encode())) + violations.encode() + "batch";
  const std::string pinned = golden("value_with_violations", value);
  const auto opened = open_value(pinned);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->append_time_us, envelope.append_time_us);
  EXPECT_EQ(opened->batch, "batch");
  EXPECT_EQ(opened->violations->encode(), violations.encode());
}

TEST(GoldenBytes, Batch) {
  const std::string pinned = golden("batch", stored_batch().view());
  BatchHeader header;
  ASSERT_EQ(check_header(bytes_of(pinned), &header), BatchError::ok);
  EXPECT_EQ(header.base_offset, 42);
  EXPECT_EQ(header.leader_epoch, 7);
  Summary summary;
  ASSERT_EQ(walk(bytes_of(pinned).subspan(kBatchHeaderSize), header, &summary), BatchError::ok);
  EXPECT_EQ(summary.types[0].type, "order.paid");
}

// Compressed bytes belong to the libraries and may change with them: what is pinned is that what
// was once written can be read.
TEST(GoldenBytes, CompressedBatchesStayReadable) {
  for (const Codec codec : {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    const std::string path =
        HEADRACE_SOURCE_DIR "/tests/golden/bytes/batch_" + std::string(to_string(codec)) + ".hex";
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path) << hex(two_events().finish(codec).view());
    }
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    const std::string pinned = unhex(text.str());
    BatchHeader header;
    ASSERT_EQ(check_header(bytes_of(pinned), &header), BatchError::ok) << path;
    EXPECT_EQ(header.codec(), codec);
    std::string scratch;
    std::span<const std::byte> records;
    ASSERT_EQ(records_of(bytes_of(pinned), header, &scratch, 1u << 20, &records), BatchError::ok);
    EXPECT_EQ(as_text(records), stored_batch().view().substr(kBatchHeaderSize));
  }
}

TEST(GoldenBytes, WriteSet) {
  WriteSet set;
  set.shard = ShardId(63);
  set.epoch = Epoch(7);
  set.sequence = 1'000;
  set.durability = Durability::durable;
  const Place log{Table::log, Month(202610), TenantId(1)};
  const Place state{.table = Table::state};
  set.put_batch(log, log_key(LogKind::batch, kPartition, Offset(42)), {0, 0, 1'793'318'400'000'001},
                stored_batch());
  set.put(state, months_key(kPartition, Offset(0)), "value");
  set.remove({.table = Table::offsets}, offsets_key(kPartition, GroupId(5), LaneId(0)));
  set.remove_range(state, epoch_start_key(kPartition, Epoch(0)),
                   epoch_start_key(kPartition, Epoch(5)));
  const auto parsed = WriteSet::parse(bytes_of(golden("write_set", set.serialize())));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->to_text(), set.to_text());
}

TEST(GoldenBytes, ChunkRow) {
  ChunkBuilder builder;
  const SharedBytes batch = stored_batch();
  BatchHeader header = *read_header(batch.span());
  Summary summary;
  ASSERT_EQ(walk(batch.span().subspan(kBatchHeaderSize), header, &summary), BatchError::ok);
  builder.add(header, 1'793'318'400'000'001, summary);
  header.base_offset += header.record_count;
  builder.add(header, 1'793'318'400'000'301, summary);
  const ChunkRow row = builder.finish();
  EXPECT_EQ(ChunkRow::decode(golden("chunk_row", row.encode())), row);
}

TEST(GoldenBytes, LookupRows) {
  LookupBuilder builder;
  const SharedBytes batch = stored_batch();
  BatchHeader header = *read_header(batch.span());
  Summary summary;
  ASSERT_EQ(walk(batch.span().subspan(kBatchHeaderSize), header, &summary), BatchError::ok);
  builder.add(header, 1'793'318'400'000'001, summary);
  builder.add(header, 1'793'318'400'000'301, summary);
  Summary compressed;
  compressed.types_unknown = true;
  builder.add(header, 1'793'318'400'000'301, compressed);
  const ContentsRow contents = builder.contents();
  const Fingerprint id(lookup_hash(Lookup::id, "e-1"));
  for (const auto& [bucket, row] : builder.finish()) {
    if (bucket == id.bucket) {
      const auto hits = LookupHits::decode(golden("lookup_row", row), id.rest);
      ASSERT_TRUE(hits);
      EXPECT_EQ(hits->batches, (std::vector<LookupHit>{{0, 1}, {2, 1}}));
    } else if (bucket == kUnseenBucket) {
      const auto hits = LookupHits::decode(golden("lookup_row_unseen", row), 0);
      ASSERT_TRUE(hits);
      EXPECT_EQ(hits->batches, (std::vector<LookupHit>{{4, 1}}));
    } else if (bucket == kContentsBucket) {
      EXPECT_EQ(ContentsRow::decode(golden("contents_row", row)), contents);
    }
  }
}

TEST(GoldenBytes, Rows) {
  MonthRow month{.month = Month(202610)};
  month.add(0x01020304, 150, 2, 1'793'318'400'000'001);
  EXPECT_EQ(MonthRow::decode(golden("month_row", month.encode())), month);

  ProducerRow producer{.epoch = 1, .last_used_us = 1'793'318'400'000'001};
  producer.push({10, 11, Offset(42), 1'793'318'400'000'001, Epoch(1)});
  producer.push({12, 12, Offset(44), 1'793'318'400'000'301, Epoch(2)});
  EXPECT_EQ(ProducerRow::decode(golden("producer_row", producer.encode())), producer);

  const DedupRow dedup{Epoch(7), {{id_hash("e-1"), 0}, {id_hash("e-2"), 3}}};
  EXPECT_EQ(DedupRow::decode(golden("dedup_row", dedup.encode())), dedup);

  const OffsetRow offset{Offset(44), 1'793'318'400'000'301, Epoch(7), 3};
  EXPECT_EQ(OffsetRow::decode(golden("offset_row", offset.encode())), offset);
}

}  // namespace
}  // namespace headrace::storage
