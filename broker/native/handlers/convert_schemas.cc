#include "broker/native/handlers/convert_schemas.h"

#include <algorithm>

#include "broker/native/handlers/convert.h"

namespace headrace::native {
namespace {

void add_differences(const std::vector<schema::Difference>& differences,
                     google::protobuf::RepeatedPtrField<proto::SchemaDifference>* to) {
  for (const schema::Difference& one : differences) {
    auto* row = to->Add();
    row->set_path(one.path);
    row->set_text(one.text);
    row->set_effect(std::string(schema::to_string(one.effect)));
  }
}

core::Error words_of(const std::string& mode, const std::string& compatibility,
                     std::optional<core::Validation>* to_mode,
                     std::optional<schema::Compatibility>* to_compatibility) {
  if (!mode.empty()) *to_mode = core::parse_validation(mode);
  if (!mode.empty() && !*to_mode) {
    return {core::ErrorCode::invalid_request, "mode: off, advisory, enforce or dead-letter"};
  }
  if (!compatibility.empty()) *to_compatibility = schema::parse_compatibility(compatibility);
  if (!compatibility.empty() && !*to_compatibility) {
    return {core::ErrorCode::invalid_request,
            "compatibility: one of " + schema::compatibility_words()};
  }
  return {};
}

}  // namespace

void to_proto(const core::SchemaVersion& version, const std::string& type, proto::Schema* to) {
  to->set_type(type);
  to->set_version(version.version);
  to->set_format(std::string(schema::to_string(version.source->format)));
  to->set_message(version.source->message);
  to->set_created_us(version.created_us);
  to->set_principal(version.actor);
  to->set_size(static_cast<uint32_t>(version.source->text.size()));
  to->set_id(version.id);
}

void to_proto(const core::SchemaType& type, proto::SchemaType* to) {
  to->set_type(type.type);
  to->set_mode(std::string(core::to_string(type.mode)));
  to->set_compatibility(std::string(schema::to_string(type.compatibility)));
  to->set_revision(type.revision);
  for (const auto& [number, version] : type.versions) {
    to_proto(*version, type.type, to->add_versions());
  }
}

void to_proto(const core::RegisterSchema& done, proto::RegisterSchemaOk* to) {
  if (done.registered != nullptr) to_proto(*done.registered, to->mutable_schema());
  to->set_version(done.registered_version);
  to->set_created(done.created);
  add_differences(done.differences, to->mutable_differences());
}

void to_proto(const core::DiffSchemas& done, proto::DiffSchemasOk* to) {
  add_differences(done.differences, to->mutable_differences());
  to->set_from(done.from);
  to->set_to(done.to);
  const auto fits = [&](schema::Compatibility level) {
    return std::ranges::none_of(done.differences, [&](const schema::Difference& one) {
      return schema::breaks(level, one.effect);
    });
  };
  to->set_backward(fits(schema::Compatibility::backward));
  to->set_forward(fits(schema::Compatibility::forward));
}

void to_proto(const core::CheckEvent& done, proto::CheckEventOk* to) {
  to->set_version(done.version);
  for (const schema::Issue& issue : done.issues) {
    auto* row = to->add_issues();
    row->set_path(issue.path);
    row->set_message(issue.message);
  }
}

core::Error from_proto(const proto::RegisterSchema& message, std::string text,
                       core::RegisterSchema* to) {
  const auto refuse = [](std::string why) {
    return core::Error(core::ErrorCode::invalid_request, std::move(why));
  };
  const auto format =
      message.format().empty() ? schema::Format::json : schema::parse_format(message.format());
  if (!format) return refuse("format: json or protobuf");
  if ((*format == schema::Format::protobuf) == message.message().empty()) {
    return refuse("message: the full name of the message, of a Protobuf schema only");
  }
  if (message.version() < 0) return refuse("version: from 1, or none for the next one");
  auto source = std::make_shared<schema::Source>();
  source->format = *format;
  source->text = std::move(text);
  source->message = message.message();
  to->source = std::move(source);
  to->type = message.type();
  to->version = message.version();
  to->dry_run = message.dry_run();
  to->shard = kMetaShard;
  return words_of(message.mode(), message.compatibility(), &to->mode, &to->compatibility);
}

core::Error from_proto(const proto::UpdateSchemaType& message, core::UpdateSchemaType* to) {
  to->type = message.type();
  to->if_revision = message.if_revision();
  to->shard = kMetaShard;
  return words_of(message.mode(), message.compatibility(), &to->mode, &to->compatibility);
}

core::Error list(const core::CatalogSnapshot& catalog, TenantId tenant,
                 const proto::ListSchemas& asked, proto::ListSchemasOk* to) {
  if (!asked.type().empty()) {
    const core::SchemaTypePtr one = catalog.schema_type(tenant, asked.type());
    if (one == nullptr) return {core::ErrorCode::unknown_schema, "'" + asked.type() + "'"};
    to_proto(*one, to->add_schemas());
    return {};
  }
  uint32_t size = 0;
  if (core::Error error = from_proto_page_size(asked.page_size(), &size)) return error;
  const core::TenantSchemasPtr all = catalog.schemas_of(tenant);
  if (all == nullptr) return {};
  auto at = all->types.upper_bound(asked.after());
  for (; at != all->types.end() && static_cast<uint32_t>(to->schemas_size()) < size; ++at) {
    to_proto(*at->second, to->add_schemas());
  }
  to->set_more(at != all->types.end());
  return {};
}

core::Error find(const core::CatalogSnapshot& catalog, TenantId tenant, const std::string& type,
                 int32_t version, core::SchemaVersionPtr* found) {
  const core::SchemaTypePtr of = catalog.schema_type(tenant, type);
  if (of == nullptr) return {core::ErrorCode::unknown_schema, "'" + type + "'"};
  const auto at = version == 0 ? std::prev(of->versions.end()) : of->versions.find(version);
  if (at == of->versions.end()) {
    return {core::ErrorCode::unknown_schema, "'" + type + "' version " + std::to_string(version)};
  }
  *found = at->second;
  return {};
}

}  // namespace headrace::native
