// Tenants, principals and API keys as JSON objects; fields go into a line that is open.
#pragma once

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

void tenant_fields(JsonLine* line, const proto::Tenant& tenant);
void receipt_fields(JsonLine* line, const proto::DeleteTenantOk& receipt);
void principal_fields(JsonLine* line, const proto::Principal& principal);
void key_fields(JsonLine* line, const proto::Key& key);
void me_fields(JsonLine* line, const proto::MeOk& me);

// "consumer", or "consumer:orders." for the topics of a prefix.
std::string role_text(const proto::Grant& grant);

}  // namespace headrace
