// Schemas of events as JSON objects; fields go into a line that is open.
#pragma once

#include <string>

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

void schema_fields(JsonLine* line, const proto::Schema& schema);
void schema_type_fields(JsonLine* line, const proto::SchemaType& type);
void registered_fields(JsonLine* line, const std::string& type,
                       const proto::RegisterSchemaOk& registered);
void diff_fields(JsonLine* line, const std::string& type, const proto::DiffSchemasOk& diff);
void check_fields(JsonLine* line, const std::string& type, const proto::CheckEventOk& checked);

}  // namespace headrace
