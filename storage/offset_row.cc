#include "storage/offset_row.h"

#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {
constexpr uint8_t kPositional = 1;  // version
}

std::string OffsetRow::encode() const {
  std::string out;
  append_be(&out, kPositional);
  append_be(&out, position.value());
  append_be(&out, commit_time_us);
  append_be(&out, epoch.value());
  append_be(&out, generation);
  return out;
}

std::optional<OffsetRow> OffsetRow::decode(std::string_view from) {
  ByteReader reader(from);
  OffsetRow row;
  if (reader.take<uint8_t>() != kPositional) return std::nullopt;
  row.position = Offset(reader.take<int64_t>());
  row.commit_time_us = reader.take<int64_t>();
  row.epoch = Epoch(reader.take<uint32_t>());
  row.generation = reader.take<uint32_t>();
  return reader.finished() && row.position.value() >= 0 ? std::optional(row) : std::nullopt;
}

}  // namespace headrace::storage
