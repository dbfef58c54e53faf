// The OpenAPI 3.1 document of the routes: broker/admin/openapi/*.json, a file per part, put
// together when it is first asked for. A test compares it with the route table, another one every
// real answer with it (tests/e2e/openapi_test.py).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headrace::admin {

// The files' texts, in no order; one has what the whole document has but once (base.json).
const std::vector<std::string_view>& openapi_parts();

// A text that is no JSON, or a path or component that two parts have, is a bug: it ends the
// process.
std::string openapi_document(std::string_view version);

}  // namespace headrace::admin
