#include "json/schema.h"

#include "json/json_rows.h"
#include "metrics/quantity.h"

namespace headrace {
namespace {

std::string rows_of(
    const google::protobuf::RepeatedPtrField<proto::SchemaDifference>& differences) {
  JsonRows rows;
  for (const auto& one : differences) {
    rows.add([&](JsonLine* line) {
      line->text("path", one.path()).text("text", one.text()).text("effect", one.effect());
    });
  }
  return rows.text();
}

}  // namespace

void schema_fields(JsonLine* line, const proto::Schema& schema) {
  line->text("type", schema.type())
      .number("version", schema.version())
      .number("id", schema.id())
      .text("format", schema.format())
      .text("message", schema.message())
      .number("size", schema.size())
      .text("created", format_time_us(schema.created_us()))
      .text("principal", schema.principal());
}

void schema_type_fields(JsonLine* line, const proto::SchemaType& type) {
  line->text("type", type.type())
      .text("mode", type.mode())
      .text("compatibility", type.compatibility())
      .number("revision", static_cast<int64_t>(type.revision()));
  JsonRows versions;
  for (const auto& version : type.versions()) {
    versions.add([&](JsonLine* row) { schema_fields(row, version); });
  }
  line->raw("versions", versions.text());
}

void registered_fields(JsonLine* line, const std::string& type,
                       const proto::RegisterSchemaOk& registered) {
  line->text("type", type)
      .number("version", registered.version())
      .boolean("created", registered.created());
  if (registered.has_schema()) {
    line->text("mode", registered.schema().mode())
        .text("compatibility", registered.schema().compatibility());
  }
  line->raw("differences", rows_of(registered.differences()));
}

void diff_fields(JsonLine* line, const std::string& type, const proto::DiffSchemasOk& diff) {
  line->text("type", type)
      .number("from", diff.from())
      .number("to", diff.to())
      .boolean("backward", diff.backward())
      .boolean("forward", diff.forward())
      .raw("differences", rows_of(diff.differences()));
}

void check_fields(JsonLine* line, const std::string& type, const proto::CheckEventOk& checked) {
  JsonRows issues;
  for (const auto& issue : checked.issues()) {
    issues.add(
        [&](JsonLine* row) { row->text("path", issue.path()).text("message", issue.message()); });
  }
  line->text("type", type)
      .number("version", checked.version())
      .boolean("valid", checked.issues().empty())
      .raw("issues", issues.text());
}

}  // namespace headrace
