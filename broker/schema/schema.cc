#include "broker/schema/schema.h"

#include <algorithm>
#include <list>

#include "broker/limits.h"
#include "broker/schema/json_schema.h"
#include "broker/schema/protobuf_schema.h"
#include "metrics/utf8.h"

namespace headrace::schema {
namespace {

constexpr std::string_view kLevels[] = {
    "none",           "backward", "forward", "full", "backward-transitive", "forward-transitive",
    "full-transitive"};

// The most recently used first.
struct Remembered {
  SourcePtr source;  // keeps its address from being another's
  CompiledPtr compiled;
};

}  // namespace

std::string_view to_string(Format format) {
  return format == Format::json ? "json" : "protobuf";
}

std::optional<Format> parse_format(std::string_view word) {
  if (word == "json") return Format::json;
  if (word == "protobuf") return Format::protobuf;
  return std::nullopt;
}

CompiledPtr compile(const Source& source, std::string* why) {
  if (source.text.size() > limits::kSchemaBytes) {
    *why = "larger than " + std::to_string(limits::kSchemaBytes) + " bytes";
    return nullptr;
  }
  auto made = source.format == Format::json ? compile_json(source.text, why)
                                            : compile_protobuf(source.text, source.message, why);
  *why = clean_utf8(*why, limits::kErrorTextMax);  // it may quote a pattern
  return made;
}

CompiledPtr compiled(const SourcePtr& source) {
  thread_local std::list<Remembered> remembered;
  thread_local size_t bytes = 0;
  const auto at = std::ranges::find(remembered, source, &Remembered::source);
  if (at != remembered.end()) {
    remembered.splice(remembered.begin(), remembered, at);
    return at->compiled;
  }
  std::string why;
  CompiledPtr made = compile(*source, &why);
  remembered.push_front({source, made});
  bytes += source->text.size();
  while (remembered.size() > limits::kCompiledSchemas ||
         (bytes > limits::kCompiledSchemaBytes && remembered.size() > 1)) {
    bytes -= remembered.back().source->text.size();
    remembered.pop_back();
  }
  return made;
}

std::string_view to_string(Effect effect) {
  switch (effect) {
    case Effect::none:
      return "none";
    case Effect::wider:
      return "wider";
    case Effect::narrower:
      return "narrower";
    case Effect::both:
      return "both";
  }
  return "invalid";
}

std::vector<Difference> differences(const Source& older, const Source& newer) {
  if (older.format != newer.format) {
    return {{"",
             "format was " + std::string(to_string(older.format)) + ", is " +
                 std::string(to_string(newer.format)),
             Effect::both}};
  }
  if (older.format == Format::json) return json_differences(older.text, newer.text);
  return protobuf_differences(older, newer);
}

std::string_view to_string(Compatibility level) {
  return kLevels[static_cast<size_t>(level)];
}

std::optional<Compatibility> parse_compatibility(std::string_view word) {
  const auto at = std::ranges::find(kLevels, word);
  if (at == std::end(kLevels)) return std::nullopt;
  return static_cast<Compatibility>(at - std::begin(kLevels));
}

std::string compatibility_words() {
  std::string words;
  for (const std::string_view word : kLevels) {
    if (!words.empty()) words += ", ";
    words += word;
  }
  return words;
}

bool is_transitive(Compatibility level) {
  return level >= Compatibility::backward_transitive;
}

bool breaks(Compatibility level, Effect effect) {
  const bool backward = level == Compatibility::backward ||
                        level == Compatibility::backward_transitive ||
                        level == Compatibility::full || level == Compatibility::full_transitive;
  const bool forward = level == Compatibility::forward ||
                       level == Compatibility::forward_transitive || level == Compatibility::full ||
                       level == Compatibility::full_transitive;
  if (backward && (effect == Effect::narrower || effect == Effect::both)) return true;
  return forward && (effect == Effect::wider || effect == Effect::both);
}

}  // namespace headrace::schema
