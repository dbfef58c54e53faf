// /v1/me, /v1/principals and /v1/keys.
#include "json/access.h"

#include <algorithm>

#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_access.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert_access.h"
#include "broker/runtime/new_key.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

std::string principal_json(const core::Principal& principal) {
  proto::Principal message;
  native::to_proto(principal, &message);
  std::string body;
  JsonLine line(&body);
  principal_fields(&line, message);
  line.end();
  return body;
}

// ROLE, ROLE:TOPICS or ROLE:TOPICS:TYPES.
std::optional<std::vector<core::Grant>> read_roles(Body* body) {
  const auto texts = body->texts("roles");
  if (!texts) return std::nullopt;
  std::vector<core::Grant> grants;
  for (size_t i = 0; i < texts->size(); ++i) {
    const auto grant = core::parse_grant((*texts)[i]);
    if (!grant) {
      body->wrong(
          "roles[" + std::to_string(i) + "]",
          "is ROLE, ROLE:TOPICS or producer:TOPICS:TYPES, with one of " + core::role_names());
      return std::nullopt;
    }
    grants.push_back(*grant);
  }
  return grants;
}

std::string key_json(const core::Principal& holder, const core::ApiKey& key, int64_t last_used_us) {
  proto::Key message;
  native::to_proto(holder, key, last_used_us, &message);
  std::string body;
  JsonLine line(&body);
  key_fields(&line, message);
  line.end();
  body.pop_back();
  return body;
}

// If-Match, about the principal as the broker knew it when the call came; a change also says which
// version it means.
core::Error match_principal(const CallPtr& call, const std::string& name, uint64_t* if_version) {
  const auto known = call->catalog()->principal(call->tenant().tenant(), name);
  if (known == nullptr || !call->request().header("If-Match")) return {};
  if (*if_version == 0) *if_version = known->version;
  return call->if_match(known->version);
}

}  // namespace

void get_me(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  proto::MeOk me;
  native::to_proto(*call->catalog(), call->tenant(), &me);
  std::string body;
  JsonLine line(&body);
  me_fields(&line, me);
  line.end();
  call->reply(200, std::move(body));
}

void get_principals(const CallPtr& call) {
  Query query(call->request());
  proto::ListPrincipals asked;
  asked.set_page_size(query.limit());
  asked.set_after(query.text("cursor").value_or(""));
  if (const core::Error error = query.finish()) return call->fail(error);
  proto::ListPrincipalsOk page;
  const core::Error error = native::list(*call->catalog(), call->tenant().tenant(), asked, &page);
  if (error) return call->fail(error);
  JsonRows rows;
  for (const auto& principal : page.principals()) {
    rows.add([&](JsonLine* line) { principal_fields(line, principal); });
  }
  std::optional<std::string> next;
  if (page.more()) next = page.principals().rbegin()->name();
  std::string body;
  JsonLine(&body).raw("principals", rows.text()).text_or_null("next_cursor", next).end();
  call->reply(200, std::move(body));
}

void get_principal(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  const std::string& name = call->parameter("principal");
  const auto found = call->catalog()->principal(call->tenant().tenant(), name);
  if (found == nullptr) return call->fail({core::ErrorCode::unknown_principal, "'" + name + "'"});
  call->reply(200, principal_json(*found), {etag(found->version)});
}

void create_principal(const CallPtr& call) {
  auto request = std::make_unique<core::CreatePrincipal>(call->tenant());
  Body body(call->request());
  body.require("principal");
  request->name = body.text("principal").value_or("");
  if (auto grants = read_roles(&body)) request->grants = std::move(*grants);
  if (auto subjects = body.texts("subjects")) request->subjects = std::move(*subjects);
  request->platform = body.boolean("platform");
  request->if_missing = body.boolean("if_missing");
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::CreatePrincipal>(std::move(request), [call](core::CreatePrincipal& made) {
    http::Headers headers = {etag(made.made->version)};
    if (made.created) headers.emplace_back("Location", "/v1/principals/" + made.made->name);
    call->reply(made.created ? 201 : 200, principal_json(*made.made), std::move(headers));
  });
}

void update_principal(const CallPtr& call) {
  auto request = std::make_unique<core::UpdatePrincipal>(call->tenant());
  Body body(call->request());
  request->name = call->parameter("principal");
  request->grants = read_roles(&body);
  request->subjects = body.texts("subjects");
  request->platform = body.maybe_boolean("platform");
  request->disabled = body.maybe_boolean("disabled");
  request->if_version = static_cast<uint64_t>(body.integer("version", 1, INT64_MAX).value_or(0));
  if (const core::Error error = body.finish()) return call->fail(error);
  if (const core::Error error = match_principal(call, request->name, &request->if_version)) {
    return call->fail(error);
  }
  request->shard = kMetaShard;
  call->ask<core::UpdatePrincipal>(std::move(request), [call](core::UpdatePrincipal& done) {
    call->reply(200, principal_json(*done.changed), {etag(done.changed->version)});
  });
}

void delete_principal(const CallPtr& call) {
  auto request = std::make_unique<core::DeletePrincipal>(call->tenant());
  request->name = call->parameter("principal");
  uint64_t version = 0;
  if (const core::Error error = match_principal(call, request->name, &version)) {
    return call->fail(error);
  }
  request->shard = kMetaShard;
  call->ask<core::DeletePrincipal>(std::move(request), [call](core::DeletePrincipal& deleted) {
    std::string body;
    JsonLine(&body).text("principal", deleted.name).boolean("deleted", true).end();
    call->reply(200, std::move(body));
  });
}

// ---- passwords

void set_password(const CallPtr& call) {
  Body body(call->request());
  auto request = std::make_unique<core::SetPassword>(call->tenant());
  runtime::NewSalts salts = runtime::make_salts();
  request->principal = call->parameter("principal");
  request->salt = std::move(salts.salt);
  request->login_secret = std::move(salts.login_secret);
  body.require("password");
  request->password = body.text("password").value_or("");
  if (request->password.empty()) body.wrong("password", "is not empty");
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::SetPassword>(std::move(request), [call](core::SetPassword& set) {
    std::string object = principal_json(*set.holder);
    object.erase(object.rfind('}'));  // what comes now belongs to it
    object += ",\"anonymous_ends\":";
    object += set.anonymous_ends ? "true}" : "false}";
    call->reply(200, std::move(object), {etag(set.holder->version)});
  });
}

void delete_password(const CallPtr& call) {
  Body body(call->request());
  if (const core::Error error = body.finish()) return call->fail(error);
  auto request = std::make_unique<core::SetPassword>(call->tenant());
  request->principal = call->parameter("principal");
  request->shard = kMetaShard;
  call->ask<core::SetPassword>(std::move(request), [call](core::SetPassword& set) {
    call->reply(200, principal_json(*set.holder), {etag(set.holder->version)});
  });
}

// ---- keys

void get_keys(const CallPtr& call) {
  Query query(call->request());
  auto request = std::make_unique<core::ListKeys>(call->tenant());
  request->principal = query.text("principal").value_or("");
  if (const core::Error error = query.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::ListKeys>(std::move(request), [call](core::ListKeys& listed) {
    JsonRows rows;
    for (const auto& row : listed.rows) {
      rows.add_object(key_json(*row.holder, row.key, row.last_used_us));
    }
    std::string body;
    JsonLine(&body).raw("keys", rows.text()).end();
    call->reply(200, std::move(body));
  });
}

void create_key(const CallPtr& call) {
  Body body(call->request());
  runtime::NewKey made = runtime::make_key();
  auto request = std::make_unique<core::CreateKey>(call->tenant());
  body.require("principal");
  request->principal = body.text("principal").value_or("");
  request->key = std::move(made.key);
  request->key.note = body.text("note").value_or("");
  if (request->key.note.size() > limits::kNameMax) {
    body.wrong("note", "at most " + std::to_string(limits::kNameMax) + " bytes");
  }
  if (const auto life_us = body.form("expires", kDurationExample, parse_duration_us)) {
    if (*life_us <= 0 || *life_us > limits::kKeyLifeUsMax) {
      body.wrong("expires", "is above 0 and at most 100 years");
    }
    request->expires_after_us = *life_us;
  }
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::CreateKey>(
      std::move(request), [call, secret = std::move(made.text)](core::CreateKey& created) {
        std::string object = key_json(*created.holder, created.key, 0);
        object.pop_back();  // what comes now belongs to it
        object += ",\"secret\":\"" + secret + "\",\"anonymous_ends\":";
        object += created.anonymous_ends ? "true}" : "false}";
        call->reply(201, std::move(object),
                    {{"Location", "/v1/keys/" + created.key.id}, {"Cache-Control", "no-store"}});
      });
}

void revoke_key(const CallPtr& call) {
  Body body(call->request());
  auto request = std::make_unique<core::RevokeKey>(call->tenant());
  request->id = call->parameter("key");
  if (const auto after_us = body.form("after", kDurationExample, parse_duration_us)) {
    if (*after_us < 0 || *after_us > limits::kRevokeAfterUsMax) {
      body.wrong("after", "at most 366 days");
    }
    request->after_us = *after_us;
  }
  if (const core::Error error = body.finish()) return call->fail(error);
  request->shard = kMetaShard;
  call->ask<core::RevokeKey>(std::move(request), [call](core::RevokeKey& revoked) {
    std::string reply;
    JsonLine(&reply)
        .text("key", revoked.id)
        .text("principal", revoked.principal)
        .text("expires", format_time_us(revoked.expires_us))
        .end();
    call->reply(200, std::move(reply));
  });
}

}  // namespace headrace::admin
