// A blocking GET for `doctor` and scripts: HTTP/1.0, the whole body in memory (at most 16 MiB). Any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/error.h"
#include "client/tls_socket.h"

namespace headrace::client {

struct HttpCall {
  std::string method = "GET";
  std::string path;  // begins with a slash
  std::string body;  // JSON
};

struct HttpReply {
  int status = 0;
  std::string body;
};

// Values without control characters: what has one is refused as a bad argument.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

bool is_https(std::string_view base);

// `base` is a URL such as http://127.0.0.1:7480, `tls` counts for
// https:// only, and has a context then.
Result<HttpReply> http_call(const std::string& base, const HttpCall& call, const TlsOptions& tls,
                            const HttpHeaders& headers, int64_t timeout_ms);

}  // namespace headrace::client
