// A blocking GET for `doctor` and scripts: http:// only, HTTP/1.0, the whole body in memory (at
// most 16 MiB). Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "client/error.h"

namespace headrace::client {

struct HttpReply {
  int status = 0;
  std::string body;
};

// `base` is a URL such as http://127.0.0.1:7480, `path` begins with a slash.
Result<HttpReply> http_get(const std::string& base, const std::string& path, int64_t timeout_ms);

}  // namespace headrace::client
