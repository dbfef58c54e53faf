// Schemas of events' payloads: compiled, validated against, compared. JSON Schema draft 7 and
// Protobuf. Hostile ones are the normal case here: whatever is given, the cost is bounded by the
// numbers in broker/limits.h. docs/schemas.md.
//
// Everything here may take milliseconds: for workers. What is compiled is immutable and may be
// used by several threads at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::schema {

enum class Format : uint8_t { json = 1, protobuf = 2 };  // persistent numbers
std::string_view to_string(Format format);
std::optional<Format> parse_format(std::string_view word);

// As it was registered.
struct Source {
  Format format = Format::json;
  std::string text;     // the JSON Schema, or a serialized google.protobuf.FileDescriptorSet
  std::string message;  // Protobuf: full name of the message in there

  bool operator==(const Source&) const = default;
};
using SourcePtr = std::shared_ptr<const Source>;

// What is wrong with an event. Never holds a value of the event; names of its members it may.
struct Issue {
  std::string path;     // JSON pointer, or names of fields with dots; empty: the whole payload
  std::string message;  // for people
};

class Compiled {
 public:
  virtual ~Compiled() = default;
  // What is wrong with the payload, at most kIssuesPerEvent; none: it is valid. Takes what it costs
  // from *steps; one that costs more than is left is not valid.
  virtual std::vector<Issue> check(std::string_view payload, int64_t* steps) const = 0;
};
using CompiledPtr = std::shared_ptr<const Compiled>;

// nullptr and *why (for whoever registers it) if it is none, or too large.
CompiledPtr compile(const Source& source, std::string* why);

// The same, remembered by the calling thread as long as it is used. nullptr: it does not compile.
CompiledPtr compiled(const SourcePtr& source);

// What of one version is not in another. A narrower new version refuses what was valid before, a
// wider one takes what the old one refuses; `both`: each refuses something of the other.
enum class Effect : uint8_t { none, wider, narrower, both };
std::string_view to_string(Effect effect);

struct Difference {
  std::string path;  // JSON pointer into the schema, or names of messages and fields with dots
  std::string text;  // "was required", "type was string, is number"
  Effect effect = Effect::none;
};

// Both must have compiled. Conservative: what is not understood counts as `both`. An addition that
// is not allowed for (too much to compare) is one difference that says so.
std::vector<Difference> differences(const Source& older, const Source& newer);

// Which other versions' events a new version must understand (backward), or must be understood by
// whose readers (forward): those of the last one, or (transitive) of all.
enum class Compatibility : uint8_t {  // persistent numbers
  none = 0,
  backward = 1,
  forward = 2,
  full = 3,
  backward_transitive = 4,
  forward_transitive = 5,
  full_transitive = 6,
};
std::string_view to_string(Compatibility level);
std::optional<Compatibility> parse_compatibility(std::string_view word);
std::string compatibility_words();  // "none, backward, …", for messages
bool is_transitive(Compatibility level);
// Whether the difference is one that the level does not allow.
bool breaks(Compatibility level, Effect effect);

}  // namespace headrace::schema
