#include "storage/month_file.h"

#include "storage/byte_reader.h"
#include "storage/violations.h"

namespace headrace::storage {
namespace {

constexpr std::string_view kMonthFileMagic("HRMONTH\x01", 8);  // the last byte is the version
constexpr size_t kPartHeadBytes = 5;
constexpr size_t kBatchHeadBytes = 16;
constexpr size_t kTotalsBytes = 3 * sizeof(uint64_t) + sizeof(uint32_t) + sizeof(Sha256);

enum class Part : uint8_t { header = 1, batch = 2, trailer = 3 };

std::string part_head(Part part, size_t size) {
  std::string head;
  append_be(&head, static_cast<uint8_t>(part));
  append_be(&head, static_cast<uint32_t>(size));
  return head;
}

void append_name(std::string* out, std::string_view text) {
  append_be(out, static_cast<uint16_t>(text.size()));
  out->append(text);
}

std::string take_name(ByteReader* reader) {
  return std::string(reader->bytes(reader->take<uint16_t>()));
}

std::string encode(const MonthFileHeader& header) {
  std::string out;
  append_name(&out, header.cluster_id);
  append_name(&out, header.tenant);
  append_be(&out, header.month.value());
  append_be(&out, header.created_us);
  append_be(&out, static_cast<uint32_t>(header.topics.size()));
  for (const auto& topic : header.topics) {
    append_be(&out, topic.id.value());
    append_name(&out, topic.name);
    append_be(&out, topic.partitions);
  }
  append_be(&out, static_cast<uint32_t>(header.ranges.size()));
  for (const auto& range : header.ranges) {
    append_be(&out, range.topic);
    append_be(&out, range.partition.value());
    append_be(&out, range.first.value());
    append_be(&out, range.end.value());
  }
  return out;
}

// What the ranges must be for everything else to be well defined.
bool sound(const MonthFileHeader& header) {
  const MonthFileHeader::Range* before = nullptr;
  for (const auto& range : header.ranges) {
    if (range.topic >= header.topics.size()) return false;
    if (range.partition.value() >= header.topics[range.topic].partitions) return false;
    if (range.first < Offset(0) || range.end <= range.first) return false;
    if (before != nullptr &&
        std::pair(before->topic, before->partition) >= std::pair(range.topic, range.partition)) {
      return false;
    }
    before = &range;
  }
  return is_month(header.month);
}

bool decode(std::string_view from, MonthFileHeader* header) {
  ByteReader reader(from);
  header->cluster_id = take_name(&reader);
  header->tenant = take_name(&reader);
  header->month = Month(reader.take<uint32_t>());
  header->created_us = reader.take<int64_t>();
  for (uint32_t left = reader.take<uint32_t>(); left > 0 && reader.ok(); --left) {
    auto& topic = header->topics.emplace_back();
    topic.id = TopicId(reader.take<uint32_t>());
    topic.name = take_name(&reader);
    topic.partitions = reader.take<uint32_t>();
  }
  for (uint32_t left = reader.take<uint32_t>(); left > 0 && reader.ok(); --left) {
    auto& range = header->ranges.emplace_back();
    range.topic = reader.take<uint32_t>();
    range.partition = PartitionId(reader.take<uint32_t>());
    range.first = Offset(reader.take<int64_t>());
    range.end = Offset(reader.take<int64_t>());
  }
  return reader.finished() && sound(*header);
}

std::string encode_counts(const MonthFileTotals& totals) {
  std::string out;
  append_be(&out, totals.batches);
  append_be(&out, totals.events);
  append_be(&out, totals.bytes);
  append_be(&out, static_cast<uint32_t>(totals.digests.size()));
  for (const uint32_t digest : totals.digests) append_be(&out, digest);
  return out;
}

std::span<const std::byte> as_bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

// ---- what both check

void MonthFileCheck::begin(const MonthFileHeader* header) {
  header_ = header;
  rows_.resize(header->ranges.size());
  totals_.digests.assign(header->ranges.size(), 0);
  if (!header->ranges.empty()) next_ = header->ranges.front().first;
}

std::string MonthFileCheck::take(uint32_t range, const BatchHeader& batch, int64_t append_time_us) {
  const auto& ranges = header_->ranges;
  if (range_ < ranges.size() && next_ == ranges[range_].end) {
    if (++range_ < ranges.size()) next_ = ranges[range_].first;
  }
  if (range_ == ranges.size() || range != range_) return "a batch belongs to another range";
  if (batch.base_offset != next_.value()) {
    return "offset " + std::to_string(next_.value()) + " comes next, not " +
           std::to_string(batch.base_offset);
  }
  next_ = next_ + batch.record_count;
  if (next_ > ranges[range].end) return "a batch ends behind its range";
  MonthRow& row = rows_[range];
  if (append_time_us < row.last_append_us) return "append times go back";
  row.add(batch.crc, batch.total_size(), static_cast<uint32_t>(batch.record_count), append_time_us);
  totals_.digests[range] = row.digest;
  ++totals_.batches;
  totals_.events += static_cast<uint64_t>(batch.record_count);
  totals_.bytes += batch.total_size();
  return {};
}

std::string MonthFileCheck::end() const {
  const auto& ranges = header_->ranges;
  const bool complete =
      ranges.empty() || (range_ + 1 == ranges.size() && next_ == ranges.back().end);
  return complete ? "" : "batches are missing";
}

// ---- writing

bool MonthFileWriter::fail(std::string why) {
  error_ = std::move(why);
  return false;
}

bool MonthFileWriter::put(std::string_view bytes) {
  sum_.add(bytes);
  return sink_(bytes) || fail("it cannot be written");
}

bool MonthFileWriter::begin(const MonthFileHeader& header) {
  header_ = header;
  const std::string body = encode(header_);
  if (!sound(header_) || body.size() > kMonthFileHeaderBytesMax) {
    return fail("its header is not valid");
  }
  check_.begin(&header_);
  return put(kMonthFileMagic) && put(part_head(Part::header, body.size())) && put(body);
}

bool MonthFileWriter::add(uint32_t range, int64_t append_time_us, std::string_view batch,
                          std::string_view violations) {
  BatchHeader header;
  const BatchError damage = check_header(as_bytes_of(batch), &header);
  if (damage != BatchError::ok) return fail(std::string(to_string(damage)));
  if (std::string why = check_.take(range, header, append_time_us); !why.empty()) {
    return fail(std::move(why));
  }
  if (!violations.empty() && !Violations::open(violations, header.record_count)) {
    return fail("violations of a batch are damaged");
  }
  std::string head = part_head(Part::batch, kBatchHeadBytes + violations.size() + batch.size());
  append_be(&head, range);
  append_be(&head, append_time_us);
  append_be(&head, static_cast<uint32_t>(violations.size()));
  return put(head) && put(violations) && put(batch);
}

bool MonthFileWriter::finish(MonthFileTotals* totals) {
  if (std::string why = check_.end(); !why.empty()) return fail(std::move(why));
  *totals = check_.totals();
  const std::string counts = encode_counts(*totals);
  if (!put(part_head(Part::trailer, counts.size() + sizeof(Sha256))) || !put(counts)) return false;
  totals->hash = sum_.finish();
  return sink_(as_text(totals->hash)) || fail("it cannot be written");
}

// ---- reading

MonthFileReader::Next MonthFileReader::fail(std::string why) {
  error_ = std::move(why);
  ended_ = true;
  return Next::damaged;
}

bool MonthFileReader::take(size_t size, std::string* into) {
  into->resize(size);
  return source_(into->data(), size) == size;
}

bool MonthFileReader::open() {
  std::string text;
  if (!take(kMonthFileMagic.size(), &text) || text != kMonthFileMagic) {
    fail("it is no month of headrace, or of another version");
    return false;
  }
  sum_.add(text);
  if (!take(kPartHeadBytes, &text)) return fail("it is cut off"), false;
  sum_.add(text);
  ByteReader head(text);
  const auto part = static_cast<Part>(head.take<uint8_t>());
  const size_t size = head.take<uint32_t>();
  if (part != Part::header || size > kMonthFileHeaderBytesMax || !take(size, &text) ||
      !decode(text, &header_)) {
    fail("its header is damaged");
    return false;
  }
  sum_.add(text);
  check_.begin(&header_);
  return true;
}

MonthFileReader::Next MonthFileReader::next(MonthFileBatch* batch) {
  if (ended_) return error_.empty() ? Next::end : Next::damaged;
  std::string text;
  if (!take(kPartHeadBytes, &text)) return fail("it is cut off");
  sum_.add(text);
  ByteReader head(text);
  const auto part = static_cast<Part>(head.take<uint8_t>());
  const size_t size = head.take<uint32_t>();
  if (part == Part::batch) return take_batch(size, batch);
  if (part == Part::trailer) return take_trailer(size);
  return fail("a part of it is of no known kind");
}

MonthFileReader::Next MonthFileReader::take_batch(size_t size, MonthFileBatch* batch) {
  if (size < kBatchHeadBytes || size > kMonthFileBatchBytesMax) {
    return fail("a batch's size is damaged");
  }
  std::string text;
  if (!take(kBatchHeadBytes, &text)) return fail("it is cut off");
  ByteReader head(text);
  batch->range = head.take<uint32_t>();
  batch->append_time_us = head.take<int64_t>();
  const size_t violations = head.take<uint32_t>();
  if (violations > size - kBatchHeadBytes) return fail("a batch's size is damaged");
  if (!take(violations, &batch->violations) ||
      !take(size - kBatchHeadBytes - violations, &batch->bytes)) {
    return fail("it is cut off");
  }
  sum_.add(text);
  sum_.add(batch->violations);
  sum_.add(batch->bytes);
  const BatchError damage = check_header(as_bytes_of(batch->bytes), &batch->header);
  if (damage != BatchError::ok) return fail("a batch: " + std::string(to_string(damage)));
  if (!batch->violations.empty() &&
      !Violations::open(batch->violations, batch->header.record_count)) {
    return fail("violations of a batch are damaged");
  }
  if (std::string why = check_.take(batch->range, batch->header, batch->append_time_us);
      !why.empty()) {
    return fail(std::move(why));
  }
  return Next::batch;
}

MonthFileReader::Next MonthFileReader::take_trailer(size_t size) {
  const std::string expected = encode_counts(check_.totals());
  std::string counts;
  std::string hash;
  if (size != kTotalsBytes + header_.ranges.size() * sizeof(uint32_t)) {
    return fail("its trailer is damaged");
  }
  if (!take(expected.size(), &counts) || !take(sizeof(Sha256), &hash)) return fail("it is cut off");
  sum_.add(counts);
  totals_ = check_.totals();
  totals_.hash = sum_.finish();
  if (hash != as_text(totals_.hash)) return fail("its hash is not that of its content");
  if (std::string why = check_.end(); !why.empty()) return fail(std::move(why));
  if (counts != expected) return fail("its counts are not those of its content");
  char more = 0;
  if (source_(&more, 1) != 0) return fail("something follows its end");
  ended_ = true;
  return Next::end;
}

}  // namespace headrace::storage
