// A small synchronous HTTP client for the command line, doctor and tests: one request on one
// connection, then it closes. Any thread; blocks up to the timeout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http/message.h"

namespace headrace::http {

struct Url {
  std::string host;
  uint16_t port = 80;
  std::string base_path;  // "" or "/prefix", never with a trailing '/'
};

// "http://HOST[:PORT][/prefix]"; nothing and a sentence in *error for anything else.
std::optional<Url> parse_url(std::string_view text, std::string* error);

struct Call {
  std::string method = "GET";
  std::string target;  // "/v1/topics?limit=10", appended to the base path
  Headers headers;
  std::string content_type = "application/json";  // sent when there is a body
  std::string body;
  int64_t timeout_us = 30'000'000;  // resolving, connecting, sending and receiving together
  size_t max_response_bytes = 64 * 1024 * 1024;
};

// Nothing when no answer came; *error then names the address and the cause.
std::optional<Response> call(const Url& url, const Call& what, std::string* error);

}  // namespace headrace::http
