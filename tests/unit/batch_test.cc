#include "storage/batch.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "metrics/big_endian.h"
#include "metrics/crc32c.h"

namespace headrace::storage {
namespace {

SharedBytes build(std::initializer_list<EventFields> events, Codec codec = Codec::none) {
  BatchBuilder builder;
  for (const EventFields& event : events) builder.add(event);
  return builder.finish(codec);
}

// The batch with a change made by `edit`, and a checksum that is right again.
template <class Edit>
SharedBytes edited(const SharedBytes& batch, Edit&& edit) {
  SharedBytes copy = SharedBytes::copy_of(batch.span());
  edit(copy.mutable_data());
  store_be(copy.mutable_data() + 17, crc32c(copy.span().subspan(21)));
  return copy;
}

template <class Edit>
BatchError check_edited(Edit&& edit) {
  const SharedBytes batch = edited(build({{.value = "v"}}), edit);
  BatchHeader header;
  return check_header(batch.span(), &header);
}

BatchError walk_all(const SharedBytes& batch, Summary* summary = nullptr) {
  BatchHeader header;
  const BatchError error = check_header(batch.span(), &header);
  if (error != BatchError::ok) return error;
  std::string scratch;
  std::span<const std::byte> records;
  const BatchError inflated = records_of(batch.span(), header, &scratch, 16u << 20, &records);
  return inflated == BatchError::ok ? walk(records, header, summary) : inflated;
}

TEST(BatchHeader, SaysWhatTheBuilderWasTold) {
  BatchBuilder builder;
  builder.set_producer(ProducerId(77), 3, 1000);
  builder.add({.value = "a", .timestamp_ms = 500});
  builder.add({.value = "b", .timestamp_ms = 900});
  builder.add({.value = "c", .timestamp_ms = 100});
  const SharedBytes batch = builder.finish();
  BatchHeader header;
  ASSERT_EQ(check_header(batch.span(), &header), BatchError::ok);
  EXPECT_EQ(header.base_offset, 0);
  EXPECT_EQ(header.leader_epoch, -1);
  EXPECT_EQ(header.total_size(), batch.size());
  EXPECT_EQ(header.last_offset_delta, 2);
  EXPECT_EQ(header.record_count, 3);
  EXPECT_EQ(header.base_timestamp_ms, 500);
  EXPECT_EQ(header.max_timestamp_ms, 900);
  EXPECT_EQ(header.producer_id, 77);
  EXPECT_EQ(header.producer_epoch, 3);
  EXPECT_EQ(header.base_sequence, 1000);
  EXPECT_EQ(header.codec(), Codec::none);
}

TEST(BatchHeader, TheNextBatchHasNoProducer) {
  BatchBuilder builder;
  builder.set_producer(ProducerId(77), 3, 1000);
  builder.add({});
  builder.finish();
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.size(), kBatchHeaderSize);
  builder.add({});
  const SharedBytes batch = builder.finish();
  EXPECT_EQ(read_header(batch.span())->producer_id, -1);
}

TEST(BatchHeader, PatchingKeepsTheChecksum) {
  SharedBytes batch = build({{.value = "v"}});
  patch_batch(batch.mutable_data(), Offset(1234567890123), Epoch(9));
  BatchHeader header;
  ASSERT_EQ(check_header(batch.span(), &header), BatchError::ok);
  EXPECT_EQ(header.base_offset, 1234567890123);
  EXPECT_EQ(header.leader_epoch, 9);
}

TEST(BatchHeader, EachRuleHasItsError) {
  const auto set = [](size_t at, auto value) {
    return [at, value](std::byte* batch) { store_be(batch + at, value); };
  };
  EXPECT_EQ(check_edited(set(16, uint8_t{1})), BatchError::bad_magic);
  EXPECT_EQ(check_edited(set(8, int32_t{5})), BatchError::length_mismatch);
  EXPECT_EQ(check_edited(set(8, int32_t{-12})), BatchError::length_mismatch);
  EXPECT_EQ(check_edited(set(21, uint16_t{5})), BatchError::bad_codec);
  EXPECT_EQ(check_edited(set(21, uint16_t{1 << 3})), BatchError::bad_timestamp_type);
  EXPECT_EQ(check_edited(set(21, uint16_t{1 << 4})), BatchError::control_or_transactional);
  EXPECT_EQ(check_edited(set(21, uint16_t{1 << 5})), BatchError::control_or_transactional);
  EXPECT_EQ(check_edited(set(57, int32_t{0})), BatchError::bad_count);
  EXPECT_EQ(check_edited(set(57, int32_t{-1})), BatchError::bad_count);
  EXPECT_EQ(check_edited(set(57, int32_t{2})), BatchError::bad_count);
  EXPECT_EQ(check_edited(set(23, int32_t{7})), BatchError::bad_count);
  EXPECT_EQ(check_edited(set(43, int64_t{-2})), BatchError::bad_producer);
  EXPECT_EQ(check_edited(set(43, int64_t{1})), BatchError::bad_producer);
  EXPECT_EQ(check_edited(set(12, int32_t{-1})), BatchError::ok);
}

TEST(BatchHeader, ACountThatTheBytesCannotHoldIsALie) {
  for (const uint16_t codec : {0, 4}) {
    EXPECT_EQ(check_edited([codec](std::byte* batch) {
                store_be(batch + 21, codec);
                store_be(batch + 23, int32_t{1'999'999});
                store_be(batch + 57, int32_t{2'000'000});
              }),
              BatchError::bad_count);
  }
}

TEST(BatchHeader, DamageAnywhereAfterTheCrcFieldIsSeen) {
  const SharedBytes batch = build({{.key = "key", .value = "value"}});
  for (size_t at = 17; at < batch.size(); ++at) {
    SharedBytes copy = SharedBytes::copy_of(batch.span());
    copy.mutable_data()[at] ^= std::byte{0x10};
    BatchHeader header;
    EXPECT_EQ(check_header(copy.span(), &header), BatchError::bad_crc) << at;
  }
}

TEST(BatchHeader, AnotherProducerStampIsACopyWithItsCrc) {
  const SharedBytes batch = build({{.key = "key", .value = "value"}});
  const SharedBytes stamped = with_producer(batch.span(), ProducerId(7), 3, 41);
  BatchHeader header;
  ASSERT_EQ(check_header(stamped.span(), &header), BatchError::ok);
  EXPECT_EQ(header.producer_id, 7);
  EXPECT_EQ(header.producer_epoch, 3);
  EXPECT_EQ(header.base_sequence, 41);
  EXPECT_TRUE(stamped.view().substr(kBatchHeaderSize) == batch.view().substr(kBatchHeaderSize));
  ASSERT_EQ(check_header(batch.span(), &header), BatchError::ok);
  EXPECT_EQ(header.producer_id, -1) << "the original is as it was";
}

TEST(BatchHeader, LengthMustBeExact) {
  const SharedBytes batch = build({{.value = "value"}});
  BatchHeader header;
  EXPECT_EQ(check_header(batch.span().first(60), &header), BatchError::too_short);
  EXPECT_EQ(check_header(batch.span().first(61), &header), BatchError::length_mismatch);
  std::string longer(batch.view());
  longer += 'x';
  EXPECT_EQ(check_header(std::as_bytes(std::span(longer)), &header), BatchError::length_mismatch);
  EXPECT_FALSE(read_header({}));
}

// Events as values, so that they outlive what they were parsed from.
struct Event {
  std::optional<std::string> key;
  std::optional<std::string> value;
  int64_t timestamp_ms = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool operator==(const Event&) const = default;
};

std::optional<std::string> owned(const std::optional<std::string_view>& view) {
  return view ? std::optional(std::string(*view)) : std::nullopt;
}

std::vector<Event> any_events() {
  const auto maybe = [] {
    return rc::gen::map(rc::gen::maybe(rc::gen::string<std::string>()), [](auto&& text) {
      return text ? std::optional<std::string>(*text) : std::nullopt;
    });
  };
  const auto name = rc::gen::map(rc::gen::string<std::string>(), [](std::string text) {
    return text.starts_with("hr_") ? "x" + text : text;
  });
  const auto event = rc::gen::build<Event>(
      rc::gen::set(&Event::key, maybe()), rc::gen::set(&Event::value, maybe()),
      rc::gen::set(&Event::timestamp_ms, rc::gen::arbitrary<int64_t>()),
      rc::gen::set(&Event::headers,
                   rc::gen::container<decltype(Event::headers)>(rc::gen::pair(name, maybe()))));
  return *rc::gen::nonEmpty(rc::gen::container<std::vector<Event>>(event));
}

SharedBytes build(const std::vector<Event>& events, Codec codec) {
  BatchBuilder builder;
  for (const Event& event : events) {
    std::vector<HeaderField> headers;
    for (const auto& [key, value] : event.headers) headers.push_back({key, value});
    builder.add({event.key, event.value, event.timestamp_ms, headers});
  }
  return builder.finish(codec);
}

std::vector<Event> read(std::span<const std::byte> records, const BatchHeader& header) {
  std::vector<Event> events;
  RecordReader reader(records, header);
  RecordView record;
  while (reader.next(&record)) {
    Event event{owned(record.key), owned(record.value), record.timestamp_ms, {}};
    RC_ASSERT(for_each_header(record, [&](const HeaderView& field) {
      event.headers.emplace_back(field.key, owned(field.value));
    }));
    RC_ASSERT(record.offset_delta == static_cast<int32_t>(events.size()));
    events.push_back(std::move(event));
  }
  RC_ASSERT(reader.error() == BatchError::ok);
  return events;
}

RC_GTEST_PROP(Batch, EventsComeBackThroughEveryCodec, ()) {
  const std::vector<Event> events = any_events();
  const Codec codec =
      *rc::gen::element(Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd);
  const SharedBytes batch = build(events, codec);
  BatchHeader header;
  RC_ASSERT(check_header(batch.span(), &header) == BatchError::ok);
  RC_ASSERT(header.codec() == codec);
  std::string scratch;
  std::span<const std::byte> records;
  RC_ASSERT(records_of(batch.span(), header, &scratch, 64u << 20, &records) == BatchError::ok);
  RC_ASSERT(read(records, header) == events);
  RC_ASSERT(walk(records, header, nullptr) == BatchError::ok);
}

// Truth by brute force: whatever one byte of the record block becomes, the walk either refuses it
// or the reader can read all of it.
RC_GTEST_PROP(Batch, AWalkedBlockIsReadable, ()) {
  const SharedBytes batch = build(any_events(), Codec::none);
  const size_t at = *rc::gen::inRange<size_t>(kBatchHeaderSize, batch.size());
  const auto value = *rc::gen::arbitrary<uint8_t>();
  const SharedBytes damaged =
      edited(batch, [&](std::byte* bytes) { bytes[at] = std::byte{value}; });
  const BatchHeader header = *read_header(damaged.span());
  const auto records = damaged.span().subspan(kBatchHeaderSize);
  Summary summary;
  if (walk(records, header, &summary) != BatchError::ok) return;
  RC_ASSERT(read(records, header).size() == static_cast<size_t>(header.record_count));
}

TEST(Batch, NullAndEmptyAreKeptApart) {
  const HeaderField headers[] = {{"null", std::nullopt}, {"empty", ""}};
  const SharedBytes batch = build(
      {{.key = std::nullopt, .value = "", .headers = headers}, {.key = "", .value = std::nullopt}});
  const BatchHeader header = *read_header(batch.span());
  RecordReader reader(batch.span().subspan(kBatchHeaderSize), header);
  RecordView record;
  ASSERT_TRUE(reader.next(&record));
  EXPECT_FALSE(record.key.has_value());
  EXPECT_EQ(record.value, "");
  EXPECT_EQ(record.header("null"), std::nullopt);
  EXPECT_EQ(record.header("empty"), "");
  EXPECT_EQ(record.header("absent"), std::nullopt);
  ASSERT_TRUE(reader.next(&record));
  EXPECT_EQ(record.key, "");
  EXPECT_FALSE(record.value.has_value());
  EXPECT_FALSE(reader.next(&record));
  EXPECT_EQ(reader.error(), BatchError::ok);
}

TEST(Batch, ReservedHeadersAreRefused) {
  const HeaderField reserved[] = {{"ce_type", "t"}, {"hr_attempt", "1"}};
  EXPECT_EQ(walk_all(build({{.headers = reserved}})), BatchError::reserved_header);
  const HeaderField fine[] = {{"hr", "1"}, {"HR_x", "1"}, {"", "1"}, {"xhr_", "1"}};
  EXPECT_EQ(walk_all(build({{.headers = fine}})), BatchError::ok);
}

TEST(Batch, RecordsMustBeExactlyAsManyAsTheCount) {
  const SharedBytes batch = build({{.value = "a"}, {.value = "b"}});
  for (const int32_t count : {1, 3}) {
    const SharedBytes other = edited(batch, [count](std::byte* bytes) {
      store_be(bytes + 23, count - 1);
      store_be(bytes + 57, count);
    });
    EXPECT_EQ(walk_all(other), BatchError::bad_count) << count;
  }
}

TEST(Batch, OffsetDeltasMustBeConsecutive) {
  const SharedBytes batch = build({{.value = "a"}, {.value = "b"}});
  // length, attributes, timestamp delta, then the offset delta; a record here has 8 bytes.
  const size_t delta = kBatchHeaderSize + 8 + 3;
  ASSERT_EQ(batch.data()[delta], std::byte{2});  // zigzag of 1
  EXPECT_EQ(walk_all(edited(batch, [](std::byte* bytes) { bytes[delta] = std::byte{4}; })),
            BatchError::bad_record);
}

TEST(Summary, CountsTypesKeysAndIds) {
  const HeaderField a[] = {{"ce_type", "order.made"}, {"ce_id", "1"}};
  const HeaderField b[] = {{"ce_type", "order.paid"}, {"ce_correlationid", "c"}};
  const HeaderField twice[] = {{"ce_type", "order.made"}, {"ce_type", "other"}};
  Summary summary;
  summary.has_keys = true;  // a summary is overwritten, not added to
  ASSERT_EQ(walk_all(build({{.headers = a}, {.headers = b}, {.headers = twice}, {.value = "v"}}),
                     &summary),
            BatchError::ok);
  ASSERT_EQ(summary.types.size(), 3u);
  EXPECT_EQ(summary.types[0].type, "order.made");
  EXPECT_EQ(summary.types[0].count, 2u);
  EXPECT_EQ(summary.types[1].type, "order.paid");
  EXPECT_EQ(summary.types[2].type, "");
  EXPECT_EQ(summary.types[2].count, 1u);
  EXPECT_FALSE(summary.types_unknown);
  EXPECT_FALSE(summary.has_keys);
  EXPECT_TRUE(summary.has_ids);
  EXPECT_FALSE(summary.lookups_unknown);
  EXPECT_EQ(summary.lookups, (std::vector<uint64_t>{lookup_hash(Lookup::id, "1"),
                                                    lookup_hash(Lookup::correlation_id, "c")}));
}

TEST(Summary, ANullTypeOrIdIsNone) {
  const HeaderField headers[] = {{"ce_type", std::nullopt},
                                 {"ce_type", "later"},
                                 {"ce_id", std::nullopt},
                                 {"ce_id", "later"},
                                 {"ce_correlationid", ""}};
  Summary summary;
  ASSERT_EQ(walk_all(build({{.headers = headers}}), &summary), BatchError::ok);
  ASSERT_EQ(summary.types.size(), 1u);
  EXPECT_EQ(summary.types[0].type, "");
  EXPECT_FALSE(summary.has_ids);
  EXPECT_TRUE(summary.lookups.empty());
}

TEST(Summary, TypesThatDifferInOneByteAreTwo) {
  const std::string base = "approval.item.approved";
  for (size_t size = 0; size <= base.size(); ++size) {
    for (size_t at = 0; at < size; ++at) {
      const std::string a = base.substr(0, size);
      std::string b = a;
      b[at] = 'X';
      const HeaderField first[] = {{"ce_type", a}};
      const HeaderField second[] = {{"ce_type", b}};
      Summary summary;
      ASSERT_EQ(
          walk_all(build({{.headers = first}, {.headers = second}, {.headers = first}}), &summary),
          BatchError::ok);
      ASSERT_EQ(summary.types.size(), 2u) << b;
      EXPECT_EQ(summary.types[0].count, 2u);
    }
  }
}

TEST(Summary, TooManyOrTooLongTypesAreUnknown) {
  BatchBuilder builder;
  for (size_t i = 0; i < Summary::kMaxTypes; ++i) {
    const std::string type = "type-" + std::to_string(i);
    const HeaderField headers[] = {{"ce_type", type}};
    builder.add({.key = "k", .headers = headers});
  }
  BatchBuilder one_more = builder;
  Summary summary;
  ASSERT_EQ(walk_all(builder.finish(), &summary), BatchError::ok);
  EXPECT_EQ(summary.types.size(), Summary::kMaxTypes);
  EXPECT_FALSE(summary.types_unknown);
  EXPECT_TRUE(summary.has_keys);
  one_more.add({});
  ASSERT_EQ(walk_all(one_more.finish(), &summary), BatchError::ok);
  EXPECT_TRUE(summary.types_unknown);
  EXPECT_TRUE(summary.types.empty());

  const std::string long_type(Summary::kMaxTypeSize + 1, 't');
  const HeaderField headers[] = {{"ce_type", long_type}};
  ASSERT_EQ(walk_all(build({{.headers = headers}}), &summary), BatchError::ok);
  EXPECT_TRUE(summary.types_unknown);
}

TEST(Summary, LookupsAreBounded) {
  BatchBuilder builder;
  for (size_t i = 0; i <= Summary::kMaxLookups; ++i) builder.add({.key = "k"});
  Summary summary;
  ASSERT_EQ(walk_all(builder.finish(), &summary), BatchError::ok);
  EXPECT_TRUE(summary.lookups_unknown);
  EXPECT_TRUE(summary.lookups.empty());
}

// Reference values of XXH64 with seeds 1, 2 and 3.
TEST(LookupHash, IsXxh64) {
  EXPECT_EQ(lookup_hash(Lookup::key, ""), 0xd5afba1336a3be4bULL);
  EXPECT_EQ(lookup_hash(Lookup::key, "a"), 0xdec2bc81c3cd46c6ULL);
  EXPECT_EQ(lookup_hash(Lookup::id, "0123456789abcdef0123456789abcdef0123456789abc"),
            0xb8b66ef6dd08ed38ULL);
  EXPECT_EQ(lookup_hash(Lookup::correlation_id, "headrace-xx1"), 0xbd7891681a5b6af4ULL);
}

TEST(Codec, NamesParseBack) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    EXPECT_EQ(parse_codec(to_string(codec)), codec);
  }
  EXPECT_FALSE(parse_codec("brotli"));
  EXPECT_EQ(to_string(static_cast<Codec>(7)), "invalid");
}

TEST(BatchError, EachHasWords) {
  for (int i = 0; i <= static_cast<int>(BatchError::inflate_too_large); ++i) {
    EXPECT_NE(to_string(static_cast<BatchError>(i)), "invalid") << i;
  }
}

}  // namespace
}  // namespace headrace::storage
