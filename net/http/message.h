// What the HTTP server gives to a handler and takes back; also what the client returns.
// Plain values: any thread, no Beast.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;                 // "GET" for HEAD too: the server leaves the body out
  std::string path;                   // percent-decoded, starts with '/'
  std::vector<std::string> segments;  // of the path, each decoded by itself: "a%2Fb" is one
  Headers query;                      // parameters in their order, decoded
  Headers headers;                    // as sent; header() ignores case
  std::string body;
  std::string peer;  // "127.0.0.1:53124"
  bool from_loopback = false;
  std::string peer_subject;  // of the client's verified certificate, RFC 2253; empty: none
  int64_t received_mono_us = 0;
  // Whether the client has hung up meanwhile (or sends no more); on the server's thread. Null: not
  // known.
  std::function<bool()> hung_up;

  // The first header of this name; nothing if there is none.
  std::optional<std::string_view> header(std::string_view name) const;
  size_t count(std::string_view name) const;  // of headers of this name
  // Whether the body's declared media type is this one, whatever its parameters.
  bool content_is(std::string_view media_type) const;
  // The first query parameter of this name; nothing if there is none.
  std::optional<std::string> query_value(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;  // besides Content-Type, Content-Length and Connection
  std::string body;
};

// RFC 9457: {"type":"about:blank","title":…,"status":…,"code":…,"detail":…}. `code` is the name in
// the error table, `detail` says what to do about it.
Response problem(int status, std::string_view code, std::string_view detail);

// The clock of Request::received_mono_us.
int64_t now_mono_us();

// The words that go with a status code: "Not Found".
std::string_view status_text(int status);

}  // namespace headrace::http
