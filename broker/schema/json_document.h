// JSON text of strangers as a document: refused above a depth and a number of values, before it
// takes memory. Values; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace headrace::schema {

// Null and *why if it is not one JSON value, or too deep, or too much. *why holds nothing of it.
std::optional<nlohmann::json> read_json(std::string_view text, size_t depth_max, size_t values_max,
                                        std::string* why);

// "/a/b" + "/" + name, escaped as RFC 6901 says.
std::string pointer_to(const std::string& path, std::string_view name);

}  // namespace headrace::schema
