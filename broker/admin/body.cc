#include "broker/admin/body.h"

#include "json/strict_json.h"

namespace headrace::admin {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 8;

}  // namespace

struct Body::Document {
  json root = json::object();
  std::set<std::string> taken;                               // full paths
  std::vector<std::pair<std::string, const json*>> objects;  // that were entered, by their path
  core::Error error;
};

Body::Body(const http::Request& request) : document_(std::make_shared<Document>()) {
  read(request);
  object_ = &document_->root;
  document_->objects.emplace_back("", object_);
}

Body::Body(std::shared_ptr<Document> document, const json* object, std::string path)
    : document_(std::move(document)), object_(object), path_(std::move(path)) {}

void Body::read(const http::Request& request) {
  if (request.body.empty()) return;
  core::Error& error = document_->error;
  StrictFindings findings;
  json parsed = parse_strict<json>(request.body, kDepthMax, &findings);
  if (parsed.is_discarded()) {
    error = {core::ErrorCode::malformed_message,
             "the body is not JSON, from byte " + std::to_string(json_error_at(request.body))};
  } else if (findings.too_deep) {
    error = {core::ErrorCode::invalid_request, "the body is nested too deeply"};
  } else if (!parsed.is_object()) {
    error = {core::ErrorCode::invalid_request, "the body must be a JSON object"};
  } else if (!findings.twice.empty()) {
    error = {core::ErrorCode::invalid_request, findings.twice + ": is given more than once"};
  } else {
    document_->root = std::move(parsed);
  }
}

void Body::wrong(std::string_view name, std::string_view why) {
  core::Error& error = document_->error;
  if (error) return;
  error = {core::ErrorCode::invalid_request, path_ + std::string(name) + ": " + std::string(why)};
}

const json* Body::find(std::string_view name) {
  document_->taken.insert(path_ + std::string(name));
  const auto found = object_->find(std::string(name));
  return found != object_->end() ? &*found : nullptr;
}

void Body::require(std::string_view name) {
  if (!object_->contains(std::string(name))) wrong(name, "is missing");
}

std::optional<std::string> Body::text(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  wrong(name, "must be a string");
  return std::nullopt;
}

std::optional<std::vector<std::string>> Body::texts(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) {
    wrong(name, "must be an array of strings");
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const json& one : *value) {
    if (one.is_string()) {
      texts.push_back(one.get<std::string>());
    } else {
      wrong(std::string(name) + "[" + std::to_string(texts.size()) + "]", "must be a string");
      return std::nullopt;
    }
  }
  return texts;
}

std::optional<int64_t> Body::integer(std::string_view name, int64_t least, int64_t most) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number_unsigned()
                        ? value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                        : value->is_number_integer();
  if (fits && value->get<int64_t>() >= least && value->get<int64_t>() <= most) {
    return value->get<int64_t>();
  }
  wrong(name, "must be a whole number, " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

std::optional<uint32_t> Body::number(std::string_view name) {
  const auto value = integer(name, 0, UINT32_MAX);
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<double> Body::real(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->get<double>();
  wrong(name, "must be a number");
  return std::nullopt;
}

bool Body::boolean(std::string_view name) {
  return maybe_boolean(name).value_or(false);
}

std::optional<bool> Body::maybe_boolean(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  wrong(name, "must be true or false");
  return std::nullopt;
}

Body Body::object(std::string_view name) {
  static const json kNothing = json::object();
  const json* value = find(name);
  if (value != nullptr && !value->is_object()) wrong(name, "must be an object");
  const bool there = value != nullptr && value->is_object();
  const std::string path = path_ + std::string(name) + ".";
  if (there) document_->objects.emplace_back(path, value);
  return Body(document_, there ? value : &kNothing, path);
}

std::vector<Body> Body::objects(std::string_view name, size_t most) {
  const json* value = find(name);
  std::vector<Body> bodies;
  if (value == nullptr) return bodies;
  if (!value->is_array() || value->size() > most) {
    wrong(name, "must be an array of at most " + std::to_string(most) + " objects");
    return bodies;
  }
  for (const json& one : *value) {
    const std::string path = std::string(name) + "[" + std::to_string(bodies.size()) + "]";
    if (!one.is_object()) {
      wrong(path, "must be an object");
      return {};
    }
    document_->objects.emplace_back(path_ + path + ".", &one);
    bodies.push_back(Body(document_, &one, path_ + path + "."));
  }
  return bodies;
}

core::Error Body::finish() {
  for (const auto& [path, object] : document_->objects) {
    for (const auto& [name, value] : object->items()) {
      if (document_->taken.contains(path + name) || document_->error) continue;
      document_->error = {core::ErrorCode::invalid_request, path + name + ": no such field here"};
    }
  }
  return document_->error;
}

}  // namespace headrace::admin
