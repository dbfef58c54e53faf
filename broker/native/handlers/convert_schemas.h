// Schemas between the protocol's messages and the core's requests; the HTTP routes use them, too.
#pragma once

#include "broker/core/api_schemas.h"
#include "headrace.pb.h"

namespace headrace::native {

void to_proto(const core::SchemaVersion& version, const std::string& type, proto::Schema* to);
void to_proto(const core::SchemaType& type, proto::SchemaType* to);
void to_proto(const core::RegisterSchema& done, proto::RegisterSchemaOk* to);
void to_proto(const core::DiffSchemas& done, proto::DiffSchemasOk* to);
void to_proto(const core::CheckEvent& done, proto::CheckEventOk* to);

// invalid_request naming the field.
core::Error from_proto(const proto::RegisterSchema& message, std::string text,
                       core::RegisterSchema* to);
core::Error from_proto(const proto::UpdateSchemaType& message, core::UpdateSchemaType* to);

core::Error list(const core::CatalogSnapshot& catalog, TenantId tenant,
                 const proto::ListSchemas& asked, proto::ListSchemasOk* to);
// unknown_schema, or the version asked for (0: the newest).
core::Error find(const core::CatalogSnapshot& catalog, TenantId tenant, const std::string& type,
                 int32_t version, core::SchemaVersionPtr* found);

}  // namespace headrace::native
