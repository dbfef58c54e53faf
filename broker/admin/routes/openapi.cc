// /v1/openapi.json: what the routes take and answer.
#include "broker/admin/openapi.h"

#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "metrics/base64.h"
#include "metrics/sha256.h"

namespace headrace::admin {
namespace {

struct Served {
  std::string text;
  std::string tag;
};

Served make_served(const std::string& version) {
  Served served{openapi_document(version), "\""};
  const Sha256 hash = sha256({served.text});
  served.tag += encode_base16({reinterpret_cast<const char*>(hash.data()), 8}) + '"';
  return served;
}

}  // namespace

void get_openapi(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  static const Served kServed = make_served(call->admin().options().version);
  const http::Headers headers = {{"ETag", kServed.tag}};
  if (call->request().header("If-None-Match") == kServed.tag) {
    return call->respond({304, "application/json", headers, ""});
  }
  call->reply(200, kServed.text, headers);
}

}  // namespace headrace::admin
