// The JSON object in a request's body, taken field by field. Strict: what is of another type, is
// there twice, or is taken by nobody is refused with its path ("options.retry_base"); the first
// error counts. No body is an empty object. The HTTP thread.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/error.h"
#include "net/http/message.h"

namespace headrace::admin {

class Body {
 public:
  // What is no JSON object is said by finish().
  explicit Body(const http::Request& request);

  // Each is empty if the field is not there, or is wrong.
  std::optional<std::string> text(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most);
  std::optional<uint32_t> number(std::string_view name);  // 0 to 2^32 - 1
  std::optional<double> real(std::string_view name);
  bool boolean(std::string_view name);  // false if it is not there
  std::optional<bool> maybe_boolean(std::string_view name);
  // A text that `parse` understands; `example` says what that is.
  template <class Parse>
  auto form(std::string_view name, std::string_view example, const Parse& parse)
      -> decltype(parse(std::string_view())) {
    const auto given = text(name);
    if (!given) return {};
    auto value = parse(*given);
    if (!value) wrong(name, "is not " + std::string(example));
    return value;
  }
  // An object within; its fields are part of this body. Empty if it is not there.
  Body object(std::string_view name);
  // The objects of an array, likewise: "outcomes[3].delay". Empty if it is not there.
  std::vector<Body> objects(std::string_view name, size_t most);

  void require(std::string_view name);  // says so if the field is not there
  void wrong(std::string_view name, std::string_view why);

  // The first error of the whole body; a field that nobody took is one.
  core::Error finish();

 private:
  struct Document;

  Body(std::shared_ptr<Document> document, const nlohmann::json* object, std::string path);
  void read(const http::Request& request);
  const nlohmann::json* find(std::string_view name);

  std::shared_ptr<Document> document_;
  const nlohmann::json* object_;
  std::string path_;  // of this object, with a dot behind it
};

}  // namespace headrace::admin
