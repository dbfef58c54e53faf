#include "storage/audit_chain.h"

#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr uint8_t kHeadVersion = 1;

std::string_view text_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

Sha256 hash_of(std::string_view bytes) {
  Sha256 hash;
  std::memcpy(hash.data(), bytes.data(), hash.size());
  return hash;
}

}  // namespace

std::string AuditHead::encode() const {
  std::string row;
  append_be(&row, kHeadVersion);
  append_be(&row, last);
  append_be(&row, told);
  row += text_of(hash);
  return row;
}

std::optional<AuditHead> AuditHead::decode(std::string_view row) {
  constexpr size_t kNumbers = 1 + 8 + 8;
  AuditHead head;
  if (row.size() != kNumbers + head.hash.size()) return std::nullopt;
  const auto* at = reinterpret_cast<const std::byte*>(row.data());
  if (load_be<uint8_t>(at) != kHeadVersion) return std::nullopt;
  head.last = load_be<uint64_t>(at + 1);
  head.told = load_be<uint64_t>(at + 9);
  head.hash = hash_of(row.substr(kNumbers));
  return head;
}

Sha256 audit_hash(const Sha256& before, const Key& key, std::string_view entry) {
  return sha256({text_of(before), key.view(), entry});
}

std::string encode_audit_row(const Sha256& hash, std::string_view entry) {
  return std::string(text_of(hash)).append(entry);
}

std::optional<AuditRow> decode_audit_row(std::string_view row) {
  if (row.size() < sizeof(Sha256)) return std::nullopt;
  return AuditRow{hash_of(row), row.substr(sizeof(Sha256))};
}

}  // namespace headrace::storage
