// What readers of one version of a message make of another's bytes. Fields are their numbers.
#include <set>

#include "broker/limits.h"
#include "broker/schema/descriptors.h"
#include "broker/schema/protobuf_schema.h"

namespace headrace::schema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

// Types that read each other's bytes.
int wire_class(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_BOOL:
      return 1;
    case FieldDescriptor::TYPE_SINT32:
    case FieldDescriptor::TYPE_SINT64:
      return 2;
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32:
      return 3;
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64:
      return 4;
    default:
      return 100 + field.type();
  }
}

// How many bits survive, to tell which way values are lost.
int width(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_BOOL:
      return 1;
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_SINT64:
      return 64;
    default:
      return 32;
  }
}

class MessageComparison {
 public:
  std::vector<Difference> take() { return std::move(found_); }

  void messages(const Descriptor& older, const Descriptor& newer, const std::string& path) {
    if (found_.size() >= limits::kDifferences || !seen_.emplace(&older, &newer).second) return;
    for (int i = 0; i < older.field_count(); ++i) {
      const FieldDescriptor& before = *older.field(i);
      const std::string at = path.empty() ? before.name() : path + "." + before.name();
      const FieldDescriptor* after = newer.FindFieldByNumber(before.number());
      if (after == nullptr) {
        gone(before, newer, at);
      } else {
        fields(before, *after, at);
      }
    }
    for (int i = 0; i < newer.field_count(); ++i) {
      const FieldDescriptor& after = *newer.field(i);
      if (older.FindFieldByNumber(after.number()) != nullptr) continue;
      const std::string at = path.empty() ? after.name() : path + "." + after.name();
      const bool reserved = older.IsReservedNumber(after.number());
      add(at, reserved ? "is new, and its number was reserved" : "is new",
          reserved              ? Effect::both
          : after.is_required() ? Effect::narrower
                                : Effect::none);
    }
  }

 private:
  void add(const std::string& path, std::string text, Effect effect) {
    if (found_.size() < limits::kDifferences) found_.push_back({path, std::move(text), effect});
  }

  void gone(const FieldDescriptor& before, const Descriptor& newer, const std::string& at) {
    // A number that may be used again for something else is how old events become nonsense.
    const bool reserved = newer.IsReservedNumber(before.number());
    add(at, reserved ? "is gone, its number reserved" : "is gone, its number not reserved",
        before.is_required() ? Effect::wider : Effect::none);
  }

  void fields(const FieldDescriptor& before, const FieldDescriptor& after, const std::string& at) {
    if (before.name() != after.name()) {
      add(at, "is called " + after.name() + " now", Effect::none);
    }
    types(before, after, at);
    if (before.is_repeated() != after.is_repeated()) {
      add(at, after.is_repeated() ? "is repeated now" : "is no longer repeated", Effect::both);
    }
    if (before.is_required() != after.is_required()) {
      add(at, after.is_required() ? "is required now" : "is no longer required",
          after.is_required() ? Effect::narrower : Effect::wider);
    }
    const bool was_one_of = before.real_containing_oneof() != nullptr;
    const bool is_one_of = after.real_containing_oneof() != nullptr;
    if (was_one_of != is_one_of) {
      add(at, is_one_of ? "is in a oneof now" : "is no longer in a oneof", Effect::both);
    }
  }

  void types(const FieldDescriptor& before, const FieldDescriptor& after, const std::string& at) {
    if (before.type() == after.type()) {
      if (const auto* message = before.message_type()) {
        messages(*message, *after.message_type(), at);
      } else if (const auto* values = before.enum_type()) {
        enums(*values, *after.enum_type(), at);
      }
      return;
    }
    const std::string text =
        std::string("type was ") + before.type_name() + ", is " + after.type_name();
    const bool text_and_bytes = (before.type() == FieldDescriptor::TYPE_STRING &&
                                 after.type() == FieldDescriptor::TYPE_BYTES) ||
                                (before.type() == FieldDescriptor::TYPE_BYTES &&
                                 after.type() == FieldDescriptor::TYPE_STRING);
    if (text_and_bytes) {
      return add(at, text,
                 after.type() == FieldDescriptor::TYPE_BYTES ? Effect::wider : Effect::narrower);
    }
    if (wire_class(before) != wire_class(after)) return add(at, text, Effect::both);
    const bool same = width(before) == width(after);
    // Signed and unsigned, or fixed ones: large values change their sign.
    if (same || wire_class(before) >= 3) return add(at, text, Effect::both);
    add(at, text, width(after) > width(before) ? Effect::wider : Effect::narrower);
  }

  void enums(const EnumDescriptor& before, const EnumDescriptor& after, const std::string& at) {
    // Readers of proto3 keep numbers that they do not know.
    const auto closed = [](const EnumDescriptor& type) {
      return type.file()->syntax() == google::protobuf::FileDescriptor::SYNTAX_PROTO2;
    };
    for (int i = 0; i < before.value_count(); ++i) {
      if (after.FindValueByNumber(before.value(i)->number()) != nullptr) continue;
      add(at, "value " + before.value(i)->name() + " is gone",
          closed(after) ? Effect::narrower : Effect::none);
    }
    for (int i = 0; i < after.value_count(); ++i) {
      if (before.FindValueByNumber(after.value(i)->number()) != nullptr) continue;
      add(at, "value " + after.value(i)->name() + " is new",
          closed(before) ? Effect::wider : Effect::none);
    }
  }

  std::vector<Difference> found_;
  std::set<std::pair<const Descriptor*, const Descriptor*>> seen_;
};

}  // namespace

std::vector<Difference> protobuf_differences(const Source& older, const Source& newer) {
  Descriptors before;
  Descriptors after;
  std::string why;
  if (!before.build(older.text, &why) || !after.build(newer.text, &why)) {
    return {{"", why, Effect::both}};
  }
  const Descriptor* from = before.message(older.message);
  const Descriptor* to = after.message(newer.message);
  if (from == nullptr || to == nullptr) return {{"", "the message is gone", Effect::both}};
  MessageComparison comparison;
  comparison.messages(*from, *to, "");
  return comparison.take();
}

}  // namespace headrace::schema
