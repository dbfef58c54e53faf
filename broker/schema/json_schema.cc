#include "broker/schema/json_schema.h"

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "broker/limits.h"
#include "broker/schema/evaluation.h"
#include "broker/schema/json_document.h"

namespace headrace::schema {
namespace {

using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

// Keywords whose value is a schema, or (both) an array of schemas; and an object of schemas.
constexpr std::string_view kSchemas[] = {"not",
                                         "if",
                                         "then",
                                         "else",
                                         "items",
                                         "additionalItems",
                                         "additionalProperties",
                                         "allOf",
                                         "contains",
                                         "anyOf",
                                         "oneOf",
                                         "propertyNames"};
constexpr std::string_view kNamedSchemas[] = {"properties", "patternProperties", "definitions",
                                              "dependencies"};

// Looks at every schema in the document before the library does: collects patterns, refuses what
// it would fetch, divide by or run away with.
class Inspection {
 public:
  explicit Inspection(Patterns* patterns) : patterns_(patterns) {}

  const std::string& why() const { return why_; }

  bool schema(Json& node, const std::string& path) {
    if (node.is_boolean()) return true;
    if (!node.is_object()) return refuse(path, "a schema is an object, true or false");
    node.erase("id");  // of draft 4: the library would take it for a base
    if (!keywords(node, path)) return false;
    for (const std::string_view word : kSchemas) {
      const auto at = node.find(word);
      if (at == node.end()) continue;
      const std::string inner = pointer_to(path, word);
      if (at->is_array() && word != "not") {
        size_t i = 0;
        for (Json& one : *at) {
          if (!schema(one, pointer_to(inner, std::to_string(i++)))) return false;
        }
      } else if (!schema(*at, inner)) {
        return false;
      }
    }
    for (const std::string_view word : kNamedSchemas) {
      const auto at = node.find(word);
      if (at != node.end() && !named(*at, pointer_to(path, word), word)) return false;
    }
    return true;
  }

 private:
  bool refuse(const std::string& path, const std::string& why) {
    why_ = "at '" + path + "': " + why;
    return false;
  }

  bool named(Json& object, const std::string& path, std::string_view word) {
    if (!object.is_object()) return refuse(path, "is an object of schemas");
    for (auto& [name, value] : object.items()) {
      std::string wrong;
      if (word == "patternProperties" && !patterns_->add(name, &wrong)) return refuse(path, wrong);
      if (word == "dependencies" && value.is_array()) continue;
      if (!schema(value, pointer_to(path, name))) return false;
    }
    return true;
  }

  bool keywords(const Json& node, const std::string& path) {
    if (const auto at = node.find("$schema"); at != node.end()) {
      if (!at->is_string() || !is_draft_7(at->get_ref<const std::string&>())) {
        return refuse(path, "$schema: only http://json-schema.org/draft-07/schema#");
      }
    }
    if (const auto at = node.find("$ref"); at != node.end()) {
      if (!at->is_string() || !is_local(at->get_ref<const std::string&>())) {
        return refuse(path, "$ref: only within the schema, as '#/definitions/name'");
      }
    }
    if (const auto at = node.find("$id"); at != node.end() && !path.empty()) {
      return refuse(path, "$id: only at the top, references are within the schema");
    }
    if (const auto at = node.find("pattern"); at != node.end()) {
      std::string wrong = "pattern: is a text";
      if (!at->is_string() || !patterns_->add(at->get<std::string>(), &wrong)) {
        return refuse(path, wrong);
      }
    }
    if (const auto at = node.find("multipleOf"); at != node.end()) {
      if (!at->is_number() || at->get<double>() < 1e-9) {
        return refuse(path, "multipleOf: a number above 0");
      }
    }
    return true;
  }

  static bool is_draft_7(std::string_view uri) {
    if (uri.ends_with('#')) uri.remove_suffix(1);
    return uri == "http://json-schema.org/draft-07/schema" ||
           uri == "https://json-schema.org/draft-07/schema";
  }
  static bool is_local(std::string_view reference) {
    if (reference == "#") return true;
    return reference.starts_with("#/") && !reference.ends_with('/') &&
           reference.find('%') == std::string_view::npos;
  }

  Patterns* const patterns_;
  std::string why_;
};

// "<root>", "[address]", "[0]" as a JSON pointer.
std::string pointer_of(const std::vector<std::string>& context) {
  std::string pointer;
  for (const std::string& part : context) {
    if (part.size() < 2 || part.front() != '[') continue;
    pointer = pointer_to(pointer, std::string_view(part).substr(1, part.size() - 2));
    if (pointer.size() > limits::kErrorTextMax) break;
  }
  return pointer;
}

class JsonSchema final : public Compiled {
 public:
  bool build(std::string_view text, std::string* why) {
    auto document = read_json(text, limits::kSchemaDepth, limits::kSchemaNodes, why);
    if (!document) return false;
    Inspection inspection(&patterns_);
    if (!inspection.schema(*document, "")) {
      *why = inspection.why();
      return false;
    }
    // The library follows references of subschemas only so far, but those of the root for ever.
    if (document->is_object() && document->contains("$ref")) {
      (*document)["allOf"] = Json::array({Json{{"$ref", document->at("$ref")}}});
      document->erase("$ref");
    }
    try {
      valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
      parser.populateSchema(Adapter(*document), schema_);
    } catch (const std::exception& error) {
      *why = error.what();
      return false;
    }
    return ends(why);
  }

  std::vector<Issue> check(std::string_view payload, int64_t* steps) const override {
    if (payload.size() > limits::kValidatedBytes) {
      return {{"", "larger than " + std::to_string(limits::kValidatedBytes) + " bytes"}};
    }
    std::string why;
    const auto document = read_json(payload, limits::kSchemaDepth, limits::kValidatedNodes, &why);
    if (!document) return {{"", why}};
    int64_t allowed =
        std::min(*steps, limits::kValidationSteps + limits::kValidationStepsPerByte *
                                                        static_cast<int64_t>(payload.size()));
    const int64_t before = allowed;
    auto issues = evaluate(*document, &allowed);
    *steps -= before - allowed;
    return issues;
  }

 private:
  std::vector<Issue> evaluate(const Json& document, int64_t* steps) const {
    valijson::ValidationResults results;
    Evaluation evaluation(patterns_, steps);
    bool valid = false;
    try {
      valijson::Validator validator(valijson::Validator::kStrongTypes);
      valid = validator.validate(schema_, Adapter(document), &results, evaluation);
    } catch (const std::exception&) {
      return {{"", "the validator gave up"}};  // its text may quote the value
    }
    if (evaluation.exhausted()) return {{"", "takes too long to validate"}};
    if (valid) return {};
    std::vector<Issue> issues;
    valijson::ValidationResults::Error error;
    while (issues.size() < limits::kIssuesPerEvent && results.popError(error)) {
      issues.push_back({pointer_of(error.context), error.description});
    }
    if (issues.empty()) issues.push_back({"", "does not match the schema"});
    return issues;
  }

  // A schema that refers to itself without going into the event would never end.
  bool ends(std::string* why) const {
    for (const Json& probe : {Json(nullptr), Json::object(), Json::array({1}), Json(""), Json(1)}) {
      int64_t steps = limits::kValidationSteps;
      const auto issues = evaluate(probe, &steps);
      if (steps >= 0 && (issues.empty() || issues[0].message != "takes too long to validate")) {
        continue;
      }
      *why = "refers to itself without an end, or takes too long even for '" + probe.dump() + "'";
      return false;
    }
    return true;
  }

  Patterns patterns_;
  valijson::Schema schema_;
};

}  // namespace

CompiledPtr compile_json(std::string_view text, std::string* why) {
  auto made = std::make_shared<JsonSchema>();
  if (!made->build(text, why)) return nullptr;
  return made;
}

}  // namespace headrace::schema
