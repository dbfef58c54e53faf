#include "storage/violations.h"

#include <algorithm>

#include "metrics/check.h"
#include "metrics/utf8.h"
#include "storage/byte_reader.h"
#include "storage/envelope.h"
#include "storage/varint.h"

namespace headrace::storage {
namespace {

constexpr size_t kSizeBytes = sizeof(uint32_t);
constexpr uint32_t kRecordsMax = 1u << 24;  // more than any batch has

// Entry: records between it and the one before, events (1 with a text), size of the text, text.
void append_entry(std::string* out, uint32_t gap, uint32_t events, std::string_view text) {
  append_uvarint(out, gap);
  append_uvarint(out, events);
  append_uvarint(out, text.size());
  out->append(text);
}

}  // namespace

void Violations::add(uint32_t record, std::string_view text) {
  HR_CHECK(list_.size() < kViolationsMax && (list_.empty() || record > list_.back().record));
  std::string cut = clean_utf8(text, kViolationTextMax);
  if (texts_ + cut.size() > kViolationTextsMax) cut.clear();
  texts_ += cut.size();
  list_.push_back({record, std::move(cut)});
}

const Violation* Violations::find(uint32_t record) const {
  const auto at = std::ranges::lower_bound(list_, record, {}, &Violation::record);
  return at == list_.end() || at->record != record ? nullptr : &*at;
}

std::string Violations::encode() const {
  std::string out(kSizeBytes, '\0');
  uint32_t next = 0;  // the record behind the last entry
  for (size_t i = 0; i < list_.size();) {
    uint32_t events = 1;
    while (list_[i].text.empty() && i + events < list_.size() &&
           list_[i + events].record == list_[i].record + events && list_[i + events].text.empty()) {
      ++events;
    }
    append_entry(&out, list_[i].record - next, events, list_[i].text);
    next = list_[i].record + events;
    i += events;
  }
  store_be(reinterpret_cast<std::byte*>(out.data()),
           static_cast<uint32_t>(out.size() - kSizeBytes));
  return out;
}

std::optional<Violations> Violations::decode(std::string_view bytes) {
  Violations violations;
  ByteReader reader(bytes);
  uint64_t next = 0;
  while (reader.ok() && reader.remaining() > 0) {
    const uint64_t gap = reader.uvarint();
    const uint64_t events = reader.uvarint();
    const uint64_t size = reader.uvarint();
    if (!reader.ok() || gap > kRecordsMax || events == 0 || events > kRecordsMax ||
        (events > 1 && size > 0) || size > kViolationTextMax || next + gap + events > kRecordsMax ||
        violations.list_.size() + events > kViolationsMax) {
      return std::nullopt;
    }
    const std::string_view text = reader.bytes(size);
    next += gap;
    for (uint64_t i = 0; i < events; ++i, ++next) {
      violations.list_.push_back({static_cast<uint32_t>(next), std::string(text)});
    }
    violations.texts_ += text.size();
  }
  if (!reader.finished()) return std::nullopt;
  return violations;
}

std::optional<Violations> Violations::open(std::string_view encoded, int32_t records) {
  if (encoded.size() < kSizeBytes) return std::nullopt;
  auto violations = decode(encoded.substr(kSizeBytes));
  if (!violations || violations->empty() || violations->encode() != encoded ||
      violations->list().back().record >= static_cast<uint32_t>(records)) {
    return std::nullopt;
  }
  return violations;
}

std::optional<StoredValue> open_value(std::string_view value) {
  const auto bytes = std::as_bytes(std::span(value));
  const auto envelope = Envelope::decode(bytes);
  if (!envelope) return std::nullopt;
  StoredValue opened;
  opened.append_time_us = envelope->append_time_us;
  size_t at = kEnvelopeSize;
  if (envelope->has_violations()) {
    if (value.size() < at + kSizeBytes) return std::nullopt;
    const size_t size = load_be<uint32_t>(bytes.data() + at);
    at += kSizeBytes;
    if (value.size() - at < size) return std::nullopt;
    auto violations = Violations::decode(value.substr(at, size));
    if (!violations) return std::nullopt;
    opened.violations = std::make_shared<const Violations>(std::move(*violations));
    at += size;
  }
  opened.batch = value.substr(at);
  return opened;
}

}  // namespace headrace::storage
