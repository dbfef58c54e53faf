#include "json/redactor.h"

#include <re2/re2.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "metrics/utf8.h"

namespace headrace {
namespace {

using Json = nlohmann::ordered_json;  // fields stay in their order

// Deeper JSON is not walked: writing it takes stack.
constexpr int kDepthMax = 100;

bool is_separator(char c) {
  return c == '_' || c == '-';
}

std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (!is_separator(c)) text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

int depth_of(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if (c == ']' || c == '}') --depth;
  }
  return deepest;
}

using Path = std::vector<std::string>;

// RFC 6901; false: it is none.
bool parse_pointer(std::string_view pointer, Path* path) {
  if (pointer.empty() || pointer[0] != '/') return false;
  for (const char c : pointer) {
    if (c == '/') {
      path->emplace_back();
    } else {
      path->back() += c;
    }
  }
  for (std::string& part : *path) {
    std::string read;
    for (size_t i = 0; i < part.size(); ++i) {
      if (part[i] != '~') {
        read += part[i];
        continue;
      }
      if (++i == part.size() || (part[i] != '0' && part[i] != '1')) return false;
      read += part[i] == '0' ? '~' : '/';
    }
    part = std::move(read);
  }
  return true;
}

Json* step(Json* at, const std::string& part) {
  if (at->is_object()) {
    const auto found = at->find(part);
    return found == at->end() ? nullptr : &*found;
  }
  if (!at->is_array() || part.empty() || part.size() > 9) return nullptr;
  if (!std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; })) return nullptr;
  const size_t index = std::stoul(part);
  return index < at->size() ? &(*at)[index] : nullptr;
}

// `word` of a name, however it is written there.
std::string pattern_of(std::string_view word) {
  std::string pattern;
  for (const char c : word) {
    if (!pattern.empty()) pattern += "[_-]?";
    pattern += RE2::QuoteMeta(std::string(1, c));
  }
  return pattern;
}

}  // namespace

struct Redactor::Rules {
  std::vector<std::string> keys;  // plain()
  std::vector<Path> pointers;
  std::unique_ptr<RE2> assignment;  // none: no keys
  const RE2 scheme{R"((?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,})"};
  const RE2 api_key{R"(\bhr_[0-9a-f]{12}_[A-Za-z0-9_-]{20,})"};
  const RE2 url{R"((://)[^/\s:@]*:[^/\s@]+@)"};
};

std::shared_ptr<const Redactor> Redactor::make(const std::vector<std::string>& keys,
                                               const std::vector<std::string>& pointers,
                                               std::string* error) {
  auto rules = std::make_unique<Rules>();
  std::string words;
  for (const std::string& key : keys) {
    rules->keys.push_back(plain(key));
    if (rules->keys.back().empty()) {
      *error = "'" + key + "' is no name of a key";
      return nullptr;
    }
    words += (words.empty() ? "" : "|") + pattern_of(rules->keys.back());
  }
  for (const std::string& pointer : pointers) {
    if (parse_pointer(pointer, &rules->pointers.emplace_back())) continue;
    *error = "'" + pointer + "' is no JSON pointer such as /user/email";
    return nullptr;
  }
  if (!words.empty()) {
    // name, = or :, value in quotes or up to a space or separator
    rules->assignment =
        std::make_unique<RE2>(R"((?i)([\w-]*(?:)" + words +
                              R"()["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"',;&)}\]]+))");
    if (!rules->assignment->ok()) {
      *error = "the names of keys are too many or too long";
      return nullptr;
    }
  }
  return std::shared_ptr<const Redactor>(new Redactor(std::move(rules)));
}

Redactor::Redactor(std::unique_ptr<const Rules> rules) : rules_(std::move(rules)) {}
Redactor::~Redactor() = default;

bool Redactor::hides(std::string_view name) const {
  const std::string given = plain(name);
  return std::ranges::any_of(rules_->keys,
                             [&](const std::string& key) { return given.ends_with(key); });
}

namespace {

bool hide(Json* value) {
  if (*value == kRedacted) return false;
  *value = kRedacted;
  return true;
}

// Depth is bounded by kDepthMax.
bool hide_by_name(Json* value, const Redactor& redactor) {
  bool any = false;
  if (value->is_object()) {
    for (auto& [name, field] : value->items()) {
      any = (redactor.hides(name) && !field.is_null() ? hide(&field)
                                                      : hide_by_name(&field, redactor)) ||
            any;
    }
  } else if (value->is_array()) {
    for (Json& item : *value) any = hide_by_name(&item, redactor) || any;
  }
  return any;
}

}  // namespace

bool Redactor::payload(std::string_view payload, std::string* shown) const {
  if (payload.empty() || !is_utf8(payload)) return false;
  const char first = payload[std::min(payload.find_first_not_of(" \t\r\n"), payload.size() - 1)];
  const bool container = first == '{' || first == '[';
  if (container && depth_of(payload) > kDepthMax) {
    *shown = std::string(kRedacted) + ": nested too deep";
    return true;
  }
  Json json = container ? Json::parse(payload, nullptr, false) : Json(Json::value_t::discarded);
  if (json.is_discarded()) {
    std::string clean = text(payload);
    if (clean == payload) return false;
    *shown = std::move(clean);
    return true;
  }
  bool any = hide_by_name(&json, *this);
  for (const Path& path : rules_->pointers) {
    Json* at = &json;
    for (const std::string& part : path) {
      if (at != nullptr) at = step(at, part);
    }
    if (at != nullptr) any = hide(at) || any;
  }
  if (any) *shown = json.dump();
  return any;
}

std::string Redactor::text(std::string_view text) const {
  std::string clean(text);
  RE2::GlobalReplace(&clean, rules_->scheme, R"(\1 [redacted])");
  RE2::GlobalReplace(&clean, rules_->api_key, "[redacted]");
  RE2::GlobalReplace(&clean, rules_->url, R"(\1[redacted]@)");
  if (rules_->assignment != nullptr) {
    RE2::GlobalReplace(&clean, *rules_->assignment, R"(\1[redacted])");
  }
  return clean;
}

}  // namespace headrace
