// Commands of CoreStage about schemas.
#include "broker/core/api_schemas.h"
#include "tests/support/core_stage.h"
#include "tests/support/schema_text.h"

namespace headrace::test {
namespace {

std::string effects_of(const std::vector<schema::Difference>& differences) {
  std::string text;
  for (const auto& one : differences) {
    text += "\n  " + one.path + " " + one.text + " (" + std::string(to_string(one.effect)) + ")";
  }
  return text;
}

std::string words_of(const core::SchemaType& type) {
  std::string text = type.type + " " + std::string(to_string(type.mode)) + " " +
                     std::string(to_string(type.compatibility)) + " with";
  for (const auto& [number, version] : type.versions) text += " " + std::to_string(number);
  return text;
}

}  // namespace

std::string schema_answer_text(core::Request& request) {
  switch (request.kind) {
    case core::Request::Kind::register_schema: {
      const auto& typed = core::as<core::RegisterSchema>(request);
      return (typed.created ? "registered " : "unchanged ") +
             std::to_string(typed.registered_version) + ": " + words_of(*typed.registered) +
             effects_of(typed.differences);
    }
    case core::Request::Kind::update_schema_type:
      return "set " + words_of(*core::as<core::UpdateSchemaType>(request).changed);
    case core::Request::Kind::delete_schema:
      return "deleted " + std::to_string(core::as<core::DeleteSchema>(request).deleted);
    case core::Request::Kind::diff_schemas: {
      const auto& typed = core::as<core::DiffSchemas>(request);
      return "from " + std::to_string(typed.from) + " to " + std::to_string(typed.to) +
             effects_of(typed.differences);
    }
    case core::Request::Kind::check_event: {
      const auto& typed = core::as<core::CheckEvent>(request);
      std::string text = "checked by " + std::to_string(typed.version);
      for (const auto& issue : typed.issues) text += "\n  " + issue.path + ": " + issue.message;
      return text;
    }
    default:
      return "";
  }
}

// schema TYPE [mode=M] [compatibility=C] TEXT | schema_mode TYPE M | schema_delete TYPE [VERSION]
// schema_diff TYPE | schema_check TYPE VALUE
bool CoreStage::schema_command(const std::string& verb, std::istringstream& words) {
  const auto tenant = core::Access::anonymous();
  std::string type;
  std::string word;
  if (verb == "schema") {
    auto request = std::make_unique<core::RegisterSchema>(tenant);
    words >> request->type;
    auto source = std::make_shared<schema::Source>();
    for (; words >> word;) {
      if (word.starts_with("mode=")) {
        request->mode = core::parse_validation(word.substr(5));
      } else if (word.starts_with("compatibility=")) {
        request->compatibility = schema::parse_compatibility(word.substr(14));
      } else {
        source->text += (source->text.empty() ? "" : " ") + word;
      }
    }
    request->source = std::move(source);
    return ask(std::move(request), this), true;
  }
  if (verb == "schema_mode") {
    auto request = std::make_unique<core::UpdateSchemaType>(tenant);
    words >> request->type >> word;
    request->mode = core::parse_validation(word);
    return ask(std::move(request), this), true;
  }
  if (verb == "schema_delete") {
    auto request = std::make_unique<core::DeleteSchema>(tenant);
    words >> request->type >> request->version;
    return ask(std::move(request), this), true;
  }
  if (verb == "schema_diff") {
    auto request = std::make_unique<core::DiffSchemas>(tenant);
    words >> request->type;
    return ask(std::move(request), this), true;
  }
  if (verb != "schema_check") return false;
  auto request = std::make_unique<core::CheckEvent>(tenant);
  words >> request->type >> word;
  request->value = SharedBytes::copy_of(word);
  return ask(std::move(request), this), true;
}

}  // namespace headrace::test
