// JSON of strangers: what the parser itself lets pass - names that occur twice, depth without end -
// is found while it parses. Pure; any thread.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

struct StrictFindings {
  bool too_deep = false;
  std::string twice;  // a name that an object has more than once

  bool ok() const { return !too_deep && twice.empty(); }
};

// Json: nlohmann's, ordered or not. Discarded: it is not JSON. What is in *findings is the first
// that was found.
template <class Json>
Json parse_strict(std::string_view text, int depth_max, StrictFindings* findings) {
  using Event = typename Json::parse_event_t;
  std::vector<std::set<std::string>> names;
  const auto watch = [&](int depth, Event event, const Json& parsed) {
    if (!findings->ok()) return true;
    findings->too_deep = depth > depth_max;
    if (event == Event::object_start) names.emplace_back();
    if (event == Event::object_end) names.pop_back();
    if (event != Event::key) return true;
    const auto& name = parsed.template get_ref<const std::string&>();
    if (!names.back().insert(name).second) findings->twice = name;
    return true;
  };
  return Json::parse(text, watch, false);
}

// Where a text stops being JSON: the number of the byte, from 1. 0: it is JSON.
inline size_t json_error_at(std::string_view text) {
  struct Position final : nlohmann::json_sax<nlohmann::json> {
    size_t at = 0;
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(size_t) override { return true; }
    bool end_object() override { return true; }
    bool start_array(size_t) override { return true; }
    bool end_array() override { return true; }
    bool key(string_t&) override { return true; }
    bool parse_error(size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
      at = position;
      return false;
    }
  };
  Position found;
  nlohmann::json::sax_parse(text.begin(), text.end(), &found);
  return found.at;
}

}  // namespace headrace
