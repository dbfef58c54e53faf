#include "broker/core/schema_record.h"

#include <algorithm>
#include <charconv>

#include "records.pb.h"

namespace headrace::core {

std::string_view to_string(Validation mode) {
  switch (mode) {
    case Validation::off:
      return "off";
    case Validation::advisory:
      return "advisory";
    case Validation::enforce:
      return "enforce";
    case Validation::dead_letter:
      return "dead-letter";
  }
  return "invalid";
}

std::optional<Validation> parse_validation(std::string_view word) {
  for (const Validation mode :
       {Validation::off, Validation::advisory, Validation::enforce, Validation::dead_letter}) {
    if (to_string(mode) == word) return mode;
  }
  return std::nullopt;
}

SchemaVersionPtr SchemaType::of_event(std::optional<int32_t> version) const {
  auto at = versions.find(version.value_or(kUnversioned));
  if (at == versions.end() && !version) at = versions.begin();
  return at == versions.end() ? nullptr : at->second;
}

SchemaTypePtr TenantSchemas::active(std::string_view type) const {
  const auto at = types.find(type);
  return at == types.end() || at->second->mode == Validation::off ? nullptr : at->second;
}

void TenantSchemas::count() {
  any_active = false;
  any_enforced = false;
  bytes = 0;
  for (const auto& [name, type] : types) {
    any_active = any_active || type->mode != Validation::off;
    any_enforced = any_enforced || keeps_out(type->mode);
    for (const auto& [number, version] : type->versions) bytes += version->source->text.size();
  }
}

std::optional<int32_t> parse_schema_version(std::string_view text) {
  const std::string_view major = text.substr(0, text.find('.'));
  int32_t version = 0;
  const auto [end, error] = std::from_chars(major.data(), major.data() + major.size(), version);
  if (error != std::errc() || end != major.data() + major.size() || version < 1) {
    return std::nullopt;
  }
  return version;
}

std::string encode(const SchemaType& type) {
  records::SchemaType row;
  row.set_type(type.type);
  row.set_mode(static_cast<uint32_t>(type.mode));
  row.set_compatibility(static_cast<uint32_t>(type.compatibility));
  row.set_revision(type.revision);
  row.set_last_version(type.last_version);
  return row.SerializeAsString();
}

std::optional<SchemaType> decode_schema_type(TenantId tenant, uint32_t id, std::string_view bytes) {
  records::SchemaType row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (row.mode() > 3 || row.compatibility() > 6) return std::nullopt;
  SchemaType type;
  type.tenant = tenant;
  type.id = id;
  type.type = row.type();
  type.mode = static_cast<Validation>(row.mode());
  type.compatibility = static_cast<schema::Compatibility>(row.compatibility());
  type.revision = row.revision();
  type.last_version = row.last_version();
  return type;
}

std::string encode(const SchemaVersion& version, uint32_t type_id) {
  records::SchemaVersion row;
  row.set_type_id(type_id);
  row.set_version(version.version);
  row.set_format(static_cast<uint32_t>(version.source->format));
  row.set_text(version.source->text);
  row.set_message(version.source->message);
  row.set_created_us(version.created_us);
  row.set_actor(version.actor);
  return row.SerializeAsString();
}

std::optional<SchemaVersion> decode_schema_version(uint32_t id, std::string_view bytes,
                                                   uint32_t* type_id) {
  records::SchemaVersion row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (row.format() < 1 || row.format() > 2 || row.version() < 1) return std::nullopt;
  *type_id = row.type_id();
  auto source = std::make_shared<schema::Source>();
  source->format = static_cast<schema::Format>(row.format());
  source->text = row.text();
  source->message = row.message();
  SchemaVersion version;
  version.id = id;
  version.version = row.version();
  version.source = std::move(source);
  version.created_us = row.created_us();
  version.actor = row.actor();
  return version;
}

}  // namespace headrace::core
