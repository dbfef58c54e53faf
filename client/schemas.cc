#include "client/schemas.h"

namespace headrace::client {

using net::native::MessageType;

namespace {
// All of them may be repeated: registering what is there already is a success.
CallOptions with(std::string_view payload) {
  CallOptions options;
  options.repeatable = true;
  options.payload = SharedBytes::copy_of(payload);
  return options;
}
}  // namespace

Result<proto::RegisterSchemaOk> register_schema(Client& client,
                                                const proto::RegisterSchema& request,
                                                std::string_view text) {
  CallOptions options = with(text);
  options.repeatable = request.version() == 0;
  return client.call<proto::RegisterSchemaOk>(MessageType::register_schema, request, options);
}

Result<proto::ListSchemasOk> list_schemas(Client& client, const proto::ListSchemas& request) {
  return client.call<proto::ListSchemasOk>(MessageType::list_schemas, request, with({}));
}

Result<proto::GetSchemaOk> get_schema(Client& client, const std::string& type, int32_t version,
                                      std::string* text) {
  proto::GetSchema request;
  request.set_type(type);
  request.set_version(version);
  SharedBytes payload;
  auto got = client.call<proto::GetSchemaOk>(MessageType::get_schema, request, with({}), &payload);
  if (got.ok()) *text = std::string(payload.view());
  return got;
}

Result<proto::DeleteSchemaOk> delete_schema(Client& client, const std::string& type,
                                            int32_t version) {
  proto::DeleteSchema request;
  request.set_type(type);
  request.set_version(version);
  return client.call<proto::DeleteSchemaOk>(MessageType::delete_schema, request);
}

Result<proto::DiffSchemasOk> diff_schemas(Client& client, const proto::DiffSchemas& request) {
  return client.call<proto::DiffSchemasOk>(MessageType::diff_schemas, request, with({}));
}

Result<proto::CheckEventOk> check_event(Client& client, const std::string& type, int32_t version,
                                        std::string_view value) {
  proto::CheckEvent request;
  request.set_type(type);
  request.set_version(version);
  return client.call<proto::CheckEventOk>(MessageType::check_event, request, with(value));
}

Result<proto::UpdateSchemaTypeOk> update_schema_type(Client& client,
                                                     const proto::UpdateSchemaType& request) {
  return client.call<proto::UpdateSchemaTypeOk>(MessageType::update_schema_type, request, with({}));
}

}  // namespace headrace::client
