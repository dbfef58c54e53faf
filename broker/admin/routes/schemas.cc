// /v1/schemas: the registry of schemas.
#include <charconv>

#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/native/handlers/convert_schemas.h"
#include "json/json_rows.h"
#include "json/schema.h"
#include "metrics/base64.h"

namespace headrace::admin {
namespace {

// Types are the tenant's: a right to some topics is none to change them.
core::Error may_change(const CallPtr& call) {
  return call->tenant().require(core::Permission::manage);
}

// A version in a path or a query; 0 if there is none. False: the answer has been given.
bool read_version(const CallPtr& call, std::string_view name,
                  const std::optional<std::string>& text, int32_t* version) {
  *version = 0;
  if (!text) return true;
  const char* const end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, *version);
  if (error == std::errc() && stopped == end && *version > 0) return true;
  call->fail({core::ErrorCode::invalid_request,
              std::string(name) + ": must be a whole number from 1, got '" + *text + "'"});
  return false;
}

std::string type_json(const core::SchemaType& type) {
  proto::SchemaType message;
  native::to_proto(type, &message);
  std::string body;
  JsonLine line(&body);
  schema_type_fields(&line, message);
  line.end();
  return body;
}

// The text as it stands in JSON: a JSON Schema as a string, so that it comes back byte for byte.
std::string read_source(Body* body, proto::RegisterSchema* message) {
  const auto text = body->text("schema");
  const auto set = body->form("descriptor_set", "base64, with padding", decode_base64);
  message->set_message(body->text("message").value_or(""));
  if (text.has_value() == set.has_value()) {
    body->wrong("schema", "is missing; or descriptor_set, of which one is given");
    return {};
  }
  message->set_format(set ? "protobuf" : "json");
  return set ? *set : *text;
}

}  // namespace

void get_schemas(const CallPtr& call) {
  Query query(call->request());
  proto::ListSchemas asked;
  asked.set_page_size(query.limit());
  asked.set_after(query.text("cursor").value_or(""));
  if (const core::Error error = query.finish()) return call->fail(error);
  proto::ListSchemasOk page;
  const core::Error error = native::list(*call->catalog(), call->tenant().tenant(), asked, &page);
  if (error) return call->fail(error);
  JsonRows rows;
  for (const auto& type : page.schemas()) {
    rows.add([&](JsonLine* line) { schema_type_fields(line, type); });
  }
  std::optional<std::string> next;
  if (page.more()) next = page.schemas().rbegin()->type();
  std::string body;
  JsonLine(&body).raw("schemas", rows.text()).text_or_null("next_cursor", next).end();
  call->reply(200, std::move(body));
}

void register_schema(const CallPtr& call) {
  if (const core::Error error = may_change(call)) return call->fail(error);
  Body body(call->request());
  proto::RegisterSchema message;
  body.require("type");
  message.set_type(body.text("type").value_or(""));
  std::string text = read_source(&body, &message);
  message.set_version(static_cast<int32_t>(body.integer("version", 1, INT32_MAX).value_or(0)));
  message.set_mode(body.text("mode").value_or(""));
  message.set_compatibility(body.text("compatibility").value_or(""));
  message.set_dry_run(body.boolean("dry_run"));
  if (const core::Error error = body.finish()) return call->fail(error);
  auto request = std::make_unique<core::RegisterSchema>(call->tenant());
  if (core::Error error = native::from_proto(message, std::move(text), request.get())) {
    return call->fail(error);
  }
  call->ask<core::RegisterSchema>(std::move(request), [call](core::RegisterSchema& done) {
    proto::RegisterSchemaOk ok;
    native::to_proto(done, &ok);
    std::string reply;
    JsonLine line(&reply);
    registered_fields(&line, done.type, ok);
    line.end();
    http::Headers headers;
    if (done.created) {
      headers.emplace_back("Location", "/v1/schemas/" + done.type + "/versions/" +
                                           std::to_string(done.registered_version));
    }
    call->reply(done.created ? 201 : 200, std::move(reply), std::move(headers));
  });
}

void get_schema_type(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  const std::string& name = call->parameter("type");
  const auto type = call->catalog()->schema_type(call->tenant().tenant(), name);
  if (type == nullptr) return call->fail({core::ErrorCode::unknown_schema, "'" + name + "'"});
  call->reply(200, type_json(*type));
}

void update_schema_type(const CallPtr& call) {
  if (const core::Error error = may_change(call)) return call->fail(error);
  Body body(call->request());
  proto::UpdateSchemaType message;
  message.set_type(call->parameter("type"));
  message.set_mode(body.text("mode").value_or(""));
  message.set_compatibility(body.text("compatibility").value_or(""));
  message.set_if_revision(
      static_cast<uint64_t>(body.integer("revision", 1, INT64_MAX).value_or(0)));
  if (const core::Error error = body.finish()) return call->fail(error);
  auto request = std::make_unique<core::UpdateSchemaType>(call->tenant());
  if (core::Error error = native::from_proto(message, request.get())) return call->fail(error);
  call->ask<core::UpdateSchemaType>(std::move(request), [call](core::UpdateSchemaType& done) {
    call->reply(200, type_json(*done.changed));
  });
}

namespace {

void delete_versions(const CallPtr& call, int32_t version) {
  auto request = std::make_unique<core::DeleteSchema>(call->tenant());
  request->shard = kMetaShard;
  request->type = call->parameter("type");
  request->version = version;
  call->ask<core::DeleteSchema>(std::move(request), [call](core::DeleteSchema& done) {
    std::string body;
    JsonLine(&body).text("type", done.type).number("deleted", done.deleted).end();
    call->reply(200, std::move(body));
  });
}

}  // namespace

void delete_schema_type(const CallPtr& call) {
  if (const core::Error error = may_change(call)) return call->fail(error);
  delete_versions(call, 0);
}

void delete_schema_version(const CallPtr& call) {
  if (const core::Error error = may_change(call)) return call->fail(error);
  int32_t version = 0;
  if (!read_version(call, "version", call->parameter("version"), &version)) return;
  delete_versions(call, version);
}

void get_schema_version(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  int32_t version = 0;
  if (!read_version(call, "version", call->parameter("version"), &version)) return;
  const std::string& type = call->parameter("type");
  core::SchemaVersionPtr found;
  if (const core::Error error =
          native::find(*call->catalog(), call->tenant().tenant(), type, version, &found)) {
    return call->fail(error);
  }
  proto::Schema message;
  native::to_proto(*found, type, &message);
  std::string body;
  JsonLine line(&body);
  schema_fields(&line, message);
  if (found->source->format == schema::Format::json) {
    line.text("schema", found->source->text);
  } else {
    line.text("descriptor_set", encode_base64(found->source->text));
  }
  line.end();
  call->reply(200, std::move(body));
}

void diff_schemas(const CallPtr& call) {
  Query query(call->request());
  const auto from = query.text("from");
  const auto to = query.text("to");
  if (const core::Error error = query.finish()) return call->fail(error);
  auto request = std::make_unique<core::DiffSchemas>(call->tenant());
  if (!read_version(call, "from", from, &request->from)) return;
  if (!read_version(call, "to", to, &request->to)) return;
  request->type = call->parameter("type");
  request->shard = kMetaShard;
  call->ask<core::DiffSchemas>(std::move(request), [call](core::DiffSchemas& done) {
    proto::DiffSchemasOk ok;
    native::to_proto(done, &ok);
    std::string body;
    JsonLine line(&body);
    diff_fields(&line, done.type, ok);
    line.end();
    call->reply(200, std::move(body));
  });
}

void check_event(const CallPtr& call) {
  Body body(call->request());
  body.require("data");
  const std::string data = body.text("data").value_or("");
  auto request = std::make_unique<core::CheckEvent>(call->tenant());
  request->version = static_cast<int32_t>(body.integer("version", 1, INT32_MAX).value_or(0));
  if (const core::Error error = body.finish()) return call->fail(error);
  request->type = call->parameter("type");
  request->value = SharedBytes::copy_of(data);
  request->shard = kMetaShard;
  call->ask<core::CheckEvent>(std::move(request), [call](core::CheckEvent& done) {
    proto::CheckEventOk ok;
    native::to_proto(done, &ok);
    std::string reply;
    JsonLine line(&reply);
    check_fields(&line, done.type, ok);
    line.end();
    call->reply(200, std::move(reply));
  });
}

}  // namespace headrace::admin
