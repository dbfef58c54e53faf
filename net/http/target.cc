#include "net/http/target.h"

// Debian has no library of Boost.URL: its sources are compiled here.
#include <boost/url/parse.hpp>
#include <boost/url/src.hpp>

#include "metrics/utf8.h"

namespace headrace::http {
namespace {

bool take(const std::string& text, std::string* into) {
  *into = text;
  return text.find('\0') == std::string::npos && is_utf8(text);
}

}  // namespace

bool parse_target(std::string_view target, Request* request) {
  const auto url = boost::urls::parse_origin_form({target.data(), target.size()});
  if (!url) return false;
  std::string text;
  for (const auto& segment : url->segments()) {
    if (!take(std::string(segment), &text)) return false;
    request->path += '/' + text;
    request->segments.push_back(text);
  }
  if (request->path.empty()) request->path = "/";
  boost::urls::encoding_opts form;
  form.space_as_plus = true;
  for (const auto& parameter : url->params(form)) {
    // "/path?" and "a=1&&b=2" have nothing there.
    if (parameter.key.empty() && !parameter.has_value) continue;
    std::string value;
    if (!take(std::string(parameter.key), &text)) return false;
    if (!take(std::string(parameter.value), &value)) return false;
    request->query.emplace_back(text, value);
  }
  return true;
}

}  // namespace headrace::http
