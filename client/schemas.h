// The registry of schemas: blocking calls, for any thread but the client's own. As admin.h.
#pragma once

#include <string>
#include <string_view>

#include "client/client.h"

namespace headrace::client {

// `text`: the JSON Schema, or a serialized FileDescriptorSet.
Result<proto::RegisterSchemaOk> register_schema(Client& client,
                                                const proto::RegisterSchema& request,
                                                std::string_view text);
Result<proto::ListSchemasOk> list_schemas(Client& client, const proto::ListSchemas& request);
// `version` 0: the newest; its text into *text.
Result<proto::GetSchemaOk> get_schema(Client& client, const std::string& type, int32_t version,
                                      std::string* text);
// `version` 0: all.
Result<proto::DeleteSchemaOk> delete_schema(Client& client, const std::string& type,
                                            int32_t version);
Result<proto::DiffSchemasOk> diff_schemas(Client& client, const proto::DiffSchemas& request);
// Whether `value` matches the type's version (0: the newest).
Result<proto::CheckEventOk> check_event(Client& client, const std::string& type, int32_t version,
                                        std::string_view value);
Result<proto::UpdateSchemaTypeOk> update_schema_type(Client& client,
                                                     const proto::UpdateSchemaType& request);

}  // namespace headrace::client
