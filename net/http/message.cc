#include "net/http/message.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/status.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

namespace headrace::http {
std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (boost::beast::iequals({key.data(), key.size()}, {name.data(), name.size()})) return value;
  }
  return std::nullopt;
}

size_t Request::count(std::string_view name) const {
  size_t found = 0;
  for (const auto& [key, value] : headers) {
    if (boost::beast::iequals({key.data(), key.size()}, {name.data(), name.size()})) ++found;
  }
  return found;
}

bool Request::content_is(std::string_view media_type) const {
  std::string_view declared = header("Content-Type").value_or("");
  declared = declared.substr(0, declared.find(';'));
  while (declared.ends_with(' ')) declared.remove_suffix(1);
  return boost::beast::iequals({declared.data(), declared.size()},
                               {media_type.data(), media_type.size()});
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

int64_t now_mono_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string_view status_text(int status) {
  const auto text = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  return {text.data(), text.size()};
}

Response problem(int status, std::string_view code, std::string_view detail) {
  nlohmann::ordered_json body;
  body["type"] = "about:blank";
  body["title"] = status_text(status);
  body["status"] = status;
  body["code"] = code;
  body["detail"] = detail;
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace headrace::http
