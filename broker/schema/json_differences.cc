// What one JSON Schema allows and another does not, keyword by keyword. docs/schemas.md lists the
// rules; in short: a property that is added to an open object, or leaves it, was not in use before.
#include <algorithm>
#include <set>

#include "broker/limits.h"
#include "broker/schema/json_document.h"
#include "broker/schema/json_schema.h"

namespace headrace::schema {
namespace {

using Value = nlohmann::json;

const Value kAnything = true;
const Value kNothing = false;

Effect flipped(Effect effect) {
  if (effect == Effect::wider) return Effect::narrower;
  if (effect == Effect::narrower) return Effect::wider;
  return effect;
}

std::string shown(const Value& value) {
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

const Value* member(const Value& schema, std::string_view word) {
  if (!schema.is_object()) return nullptr;
  const auto at = schema.find(word);
  return at == schema.end() ? nullptr : &*at;
}

const Value& schema_at(const Value& schema, std::string_view word) {
  const Value* found = member(schema, word);
  return found == nullptr ? kAnything : *found;
}

std::set<std::string> types_of(const Value& schema) {
  static const std::set<std::string> all = {"array",  "boolean", "integer", "null",
                                            "number", "object",  "string"};
  const Value* type = member(schema, "type");
  if (type == nullptr) return all;
  std::set<std::string> types;
  if (type->is_string()) types.insert(type->get<std::string>());
  if (type->is_array()) {
    for (const Value& one : *type) {
      if (one.is_string()) types.insert(one.get<std::string>());
    }
  }
  if (types.contains("number")) types.insert("integer");
  return types;
}

class Comparison {
 public:
  Comparison(const Value& older, const Value& newer) : older_root_(older), newer_root_(newer) {}

  std::vector<Difference> take() { return std::move(found_); }

  void schemas(const Value& given_older, const Value& given_newer, const std::string& path) {
    const Value* older = resolved(older_root_, &given_older);
    const Value* newer = resolved(newer_root_, &given_newer);
    if (--steps_ < 0 || found_.size() >= limits::kDifferences) return cut_off();
    if (older == nullptr || newer == nullptr) {
      return add(path, "$ref: leads nowhere", Effect::both);
    }
    if (open(*older) && open(*newer)) return;
    if (*older == kNothing || *newer == kNothing) {
      if (*older == *newer) return;
      const bool now_nothing = *newer == kNothing;
      return add(path, now_nothing ? "nothing is allowed any more" : "nothing was allowed",
                 now_nothing ? Effect::narrower : Effect::wider);
    }
    // Where schemas refer to themselves a pair comes again.
    if (!seen_.emplace(older, newer, inverted_).second) return;
    types(*older, *newer, path);
    values(*older, *newer, path);
    bounds(*older, *newer, path);
    required(*older, *newer, path);
    properties(*older, *newer, path);
    elements(*older, *newer, path);
    combinations(*older, *newer, path);
  }

 private:
  static bool open(const Value& schema) { return schema == kAnything || schema.empty(); }
  static const Value* found_at(const Value& root, const std::string& reference) {
    try {
      return &root.at(Value::json_pointer(reference.substr(1)));
    } catch (const Value::exception&) {
      return nullptr;
    }
  }
  static const Value* resolved(const Value& root, const Value* schema) {
    for (int i = 0; i < 16; ++i) {
      const Value* reference = member(*schema, "$ref");
      if (reference == nullptr) return schema;
      schema = found_at(root, reference->get<std::string>());
      if (schema == nullptr) return nullptr;
    }
    return nullptr;
  }

  void add(const std::string& path, std::string text, Effect effect) {
    found_.push_back({path, std::move(text), inverted_ ? flipped(effect) : effect});
  }
  void cut_off() {
    if (was_cut_off_) return;
    was_cut_off_ = true;
    found_.push_back({"", "there is more than is compared", Effect::both});
  }

  void types(const Value& older, const Value& newer, const std::string& path) {
    const auto before = types_of(older);
    const auto after = types_of(newer);
    if (before == after) return;
    const bool lost = !std::ranges::includes(after, before);
    const bool gained = !std::ranges::includes(before, after);
    const auto words = [](const Value& schema) {
      const Value* type = member(schema, "type");
      return type == nullptr ? std::string("any") : shown(*type);
    };
    add(path, "type was " + words(older) + ", is " + words(newer),
        lost && gained ? Effect::both
        : lost         ? Effect::narrower
                       : Effect::wider);
  }

  // enum, and const as an enum of one.
  static std::optional<std::vector<Value>> listed(const Value& schema) {
    if (const Value* one = member(schema, "const")) return std::vector<Value>{*one};
    const Value* some = member(schema, "enum");
    if (some == nullptr || !some->is_array()) return std::nullopt;
    return some->get<std::vector<Value>>();
  }
  void values(const Value& older, const Value& newer, const std::string& path) {
    const auto before = listed(older);
    const auto after = listed(newer);
    if (before == after) return;
    if (!before) return add(path, "only listed values are allowed now", Effect::narrower);
    if (!after) return add(path, "no longer only listed values are allowed", Effect::wider);
    const std::set<Value> old_ones(before->begin(), before->end());
    const std::set<Value> new_ones(after->begin(), after->end());
    for (const Value& one : old_ones) {
      if (!new_ones.contains(one)) {
        add(path, "value " + shown(one) + " is no longer allowed", Effect::narrower);
      }
    }
    for (const Value& one : new_ones) {
      if (!old_ones.contains(one)) add(path, "value " + shown(one) + " is new", Effect::wider);
    }
  }

  // Numbers that bound something, and what is equal or not.
  void bounds(const Value& older, const Value& newer, const std::string& path) {
    for (const char* word :
         {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}) {
      bound(older, newer, path, word, +1);
    }
    for (const char* word :
         {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}) {
      bound(older, newer, path, word, -1);
    }
    for (const char* word : {"pattern", "format", "multipleOf"}) {
      bound(older, newer, path, word, 0);
    }
    const auto unique = [](const Value& schema) {
      const Value* flag = member(schema, "uniqueItems");
      return flag != nullptr && *flag == true;
    };
    if (unique(older) != unique(newer)) {
      add(path, unique(newer) ? "uniqueItems is new" : "uniqueItems is gone",
          unique(newer) ? Effect::narrower : Effect::wider);
    }
  }
  // `tightens`: a higher value (+1) or a lower one (-1) allows less; 0: another value is another.
  void bound(const Value& older, const Value& newer, const std::string& path, const char* word,
             int tightens) {
    const Value* before = member(older, word);
    const Value* after = member(newer, word);
    if (before == nullptr && after == nullptr) return;
    const std::string name = word;
    if (before == nullptr) {
      return add(path, name + " is new: " + shown(*after), Effect::narrower);
    }
    if (after == nullptr) return add(path, name + " is gone", Effect::wider);
    if (*before == *after) return;
    Effect effect = Effect::both;
    if (tightens != 0 && before->is_number() && after->is_number()) {
      const bool higher = after->get<double>() > before->get<double>();
      effect = higher == (tightens > 0) ? Effect::narrower : Effect::wider;
    }
    add(path, name + " was " + shown(*before) + ", is " + shown(*after), effect);
  }

  static std::set<std::string> names_in(const Value* list) {
    std::set<std::string> names;
    if (list == nullptr || !list->is_array()) return names;
    for (const Value& name : *list) {
      if (name.is_string()) names.insert(name.get<std::string>());
    }
    return names;
  }
  void required(const Value& older, const Value& newer, const std::string& path) {
    const auto before = names_in(member(older, "required"));
    const auto after = names_in(member(newer, "required"));
    for (const std::string& name : after) {
      if (!before.contains(name)) {
        add(pointer_to(path + "/properties", name), "is required now", Effect::narrower);
      }
    }
    for (const std::string& name : before) {
      if (!after.contains(name)) {
        add(pointer_to(path + "/properties", name), "is no longer required", Effect::wider);
      }
    }
  }

  // What a schema says of a property that it does not name; its patterns are compared by
  // themselves.
  void properties(const Value& older, const Value& newer, const std::string& path) {
    static const Value none = Value::object();
    const auto named = [](const Value& schema, const char* word) -> const Value& {
      const Value* found = member(schema, word);
      return found != nullptr && found->is_object() ? *found : none;
    };
    const Value& before = named(older, "properties");
    const Value& after = named(newer, "properties");
    for (const auto& [name, schema] : before.items()) {
      const std::string at = pointer_to(path + "/properties", name);
      if (const auto found = after.find(name); found != after.end()) {
        schemas(schema, *found, at);
      } else {
        unnamed(schema, schema_at(newer, "additionalProperties"), at, false);
      }
    }
    for (const auto& [name, schema] : after.items()) {
      if (before.contains(name)) continue;
      unnamed(schema, schema_at(older, "additionalProperties"),
              pointer_to(path + "/properties", name), true);
    }
    schemas(schema_at(older, "additionalProperties"), schema_at(newer, "additionalProperties"),
            path + "/additionalProperties");
    const Value& old_patterns = named(older, "patternProperties");
    const Value& new_patterns = named(newer, "patternProperties");
    for (const auto& [name, schema] : old_patterns.items()) {
      const std::string at = pointer_to(path + "/patternProperties", name);
      if (const auto found = new_patterns.find(name); found != new_patterns.end()) {
        schemas(schema, *found, at);
      } else {
        add(at, "is gone", Effect::both);
      }
    }
    for (const auto& [name, schema] : new_patterns.items()) {
      if (!old_patterns.contains(name)) {
        add(pointer_to(path + "/patternProperties", name), "is new", Effect::both);
      }
    }
    schemas(schema_at(older, "propertyNames"), schema_at(newer, "propertyNames"),
            path + "/propertyNames");
    whole(older, newer, path, "dependencies");
  }
  // A property that only one of two versions names; `others`: what the other one says of it.
  void unnamed(const Value& schema, const Value& others, const std::string& at, bool is_new) {
    if (open(others)) {
      return add(at, is_new ? "is new" : "is gone", Effect::none);
    }
    if (others == kNothing) {
      return add(at,
                 is_new ? "is new, other properties were not allowed"
                        : "is gone, other properties are not allowed",
                 is_new ? Effect::wider : Effect::narrower);
    }
    if (is_new) {
      schemas(others, schema, at);
    } else {
      schemas(schema, others, at);
    }
  }

  void elements(const Value& older, const Value& newer, const std::string& path) {
    const Value& before = schema_at(older, "items");
    const Value& after = schema_at(newer, "items");
    if (!before.is_array() && !after.is_array()) {
      schemas(before, after, path + "/items");
    } else if (!before.is_array() || !after.is_array() || before.size() != after.size()) {
      add(path + "/items", "is another list", Effect::both);
    } else {
      for (size_t i = 0; i < before.size(); ++i) {
        schemas(before[i], after[i], path + "/items/" + std::to_string(i));
      }
      schemas(schema_at(older, "additionalItems"), schema_at(newer, "additionalItems"),
              path + "/additionalItems");
    }
    if (member(older, "contains") != nullptr && member(newer, "contains") != nullptr) {
      return schemas(*member(older, "contains"), *member(newer, "contains"), path + "/contains");
    }
    bound(older, newer, path, "contains", 0);
  }

  void combinations(const Value& older, const Value& newer, const std::string& path) {
    alternatives(older, newer, path, "allOf", Effect::narrower);
    alternatives(older, newer, path, "anyOf", Effect::wider);
    alternatives(older, newer, path, "oneOf", Effect::both);
    const Value* before = member(older, "not");
    const Value* after = member(newer, "not");
    if (before != nullptr && after != nullptr) {
      inverted_ = !inverted_;
      schemas(*before, *after, path + "/not");
      inverted_ = !inverted_;
    } else {
      bound(older, newer, path, "not", 0);
    }
    whole(older, newer, path, "if");
    whole(older, newer, path, "then");
    whole(older, newer, path, "else");
  }
  // Position by position; `more`: what one more of them does.
  void alternatives(const Value& older, const Value& newer, const std::string& path,
                    const char* word, Effect more) {
    const Value* before = member(older, word);
    const Value* after = member(newer, word);
    if (before == nullptr || after == nullptr || !before->is_array() || !after->is_array()) {
      return bound(older, newer, path, word, 0);
    }
    const size_t common = std::min(before->size(), after->size());
    for (size_t i = 0; i < common; ++i) {
      schemas((*before)[i], (*after)[i], path + '/' + word + '/' + std::to_string(i));
    }
    if (before->size() == after->size()) return;
    const bool longer = after->size() > before->size();
    add(path + '/' + word, longer ? "has more alternatives" : "has fewer alternatives",
        longer ? more : flipped(more));
  }
  // Not looked into: equal or not.
  void whole(const Value& older, const Value& newer, const std::string& path, const char* word) {
    const Value* before = member(older, word);
    const Value* after = member(newer, word);
    if (before == nullptr && after == nullptr) return;
    if (before != nullptr && after != nullptr && *before == *after) return;
    add(path + '/' + word, "is another one", Effect::both);
  }

  const Value& older_root_;
  const Value& newer_root_;
  std::vector<Difference> found_;
  std::set<std::tuple<const Value*, const Value*, bool>> seen_;
  int64_t steps_ = limits::kDiffSteps;
  bool inverted_ = false;
  bool was_cut_off_ = false;
};

}  // namespace

std::vector<Difference> json_differences(std::string_view older, std::string_view newer) {
  std::string why;
  const auto before = read_json(older, limits::kSchemaDepth, limits::kSchemaNodes, &why);
  const auto after = read_json(newer, limits::kSchemaDepth, limits::kSchemaNodes, &why);
  if (!before || !after) return {{"", why, Effect::both}};
  Comparison comparison(*before, *after);
  comparison.schemas(*before, *after, "");
  return comparison.take();
}

}  // namespace headrace::schema
