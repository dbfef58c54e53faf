#include "broker/admin/openapi.h"

#include <nlohmann/json.hpp>

#include "metrics/check.h"

namespace headrace::admin {
namespace {

using Ordered = nlohmann::ordered_json;

// Objects that both have are joined; nothing else may be in both.
void join(Ordered* into, const Ordered& part) {
  for (const auto& [name, value] : part.items()) {
    if (!into->contains(name)) {
      (*into)[name] = value;
      continue;
    }
    HR_CHECK((*into)[name].is_object() && value.is_object());
    join(&(*into)[name], value);
  }
}

}  // namespace

std::string openapi_document(std::string_view version) {
  Ordered document = Ordered::object();
  std::vector<Ordered> parts;
  for (const std::string_view text : openapi_parts()) {
    Ordered part = Ordered::parse(text, nullptr, false);
    HR_CHECK(part.is_object());
    if (part.contains("openapi")) {
      join(&document, part);
    } else {
      parts.push_back(std::move(part));
    }
  }
  for (const Ordered& part : parts) join(&document, part);
  document["info"]["version"] = version;
  return document.dump() + "\n";
}

}  // namespace headrace::admin
