#include "broker/schema/protobuf_schema.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include <map>

#include "broker/limits.h"
#include "broker/schema/descriptors.h"

namespace headrace::schema {
namespace {

namespace pb = google::protobuf;

// The first error, with what it is about.
class FirstError final : public pb::DescriptorPool::ErrorCollector {
 public:
  explicit FirstError(std::string* why) : why_(why) {}
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (why_->empty()) *why_ = file + ": " + element + ": " + message;
  }

 private:
  std::string* const why_;
};

// Files that come with Protobuf: a set need not hold them.
const pb::FileDescriptor* well_known(const std::string& name) {
  const pb::FileDescriptor* const files[] = {
      pb::Any::descriptor()->file(),       pb::Duration::descriptor()->file(),
      pb::Empty::descriptor()->file(),     pb::Struct::descriptor()->file(),
      pb::Timestamp::descriptor()->file(), pb::StringValue::descriptor()->file(),
  };
  for (const pb::FileDescriptor* file : files) {
    if (file->name() == name) return file;
  }
  return nullptr;
}

// Adds a file behind what it imports.
class Builder {
 public:
  Builder(const pb::FileDescriptorSet& set, pb::DescriptorPool* pool) : pool_(pool) {
    for (const auto& file : set.file()) files_[file.name()] = &file;
  }

  bool add(const std::string& name, size_t depth, std::string* why) {
    if (pool_->FindFileByName(name) != nullptr) return true;
    const auto at = files_.find(name);
    if (at == files_.end()) {
      const pb::FileDescriptor* known = well_known(name);
      if (known == nullptr) {
        *why = "imports '" + name + "', which is not in the set: protoc --include_imports";
        return false;
      }
      pb::FileDescriptorProto file;
      known->CopyTo(&file);
      return pool_->BuildFile(file) != nullptr;
    }
    if (depth > limits::kSchemaDepth) {
      *why = "'" + name + "': imports go in a circle, or too deep";
      return false;
    }
    for (const std::string& import : at->second->dependency()) {
      if (!add(import, depth + 1, why)) return false;
    }
    FirstError error(why);
    return pool_->BuildFileCollectingErrors(*at->second, &error) != nullptr;
  }

 private:
  pb::DescriptorPool* const pool_;
  std::map<std::string, const pb::FileDescriptorProto*> files_;
};

class ProtobufSchema final : public Compiled {
 public:
  bool build(const std::string& text, const std::string& message, std::string* why) {
    if (!descriptors_.build(text, why)) return false;
    const pb::Descriptor* descriptor = descriptors_.message(message);
    if (descriptor == nullptr) {
      *why = "the set has no message '" + message + "'";
      return false;
    }
    prototype_ = factory_.GetPrototype(descriptor);
    return true;
  }

  std::vector<Issue> check(std::string_view payload, int64_t* steps) const override {
    if (payload.size() > limits::kValidatedBytes) {
      return {{"", "larger than " + std::to_string(limits::kValidatedBytes) + " bytes"}};
    }
    *steps -= 1 + static_cast<int64_t>(payload.size());
    if (*steps < 0) return {{"", "takes too long to validate"}};
    const std::unique_ptr<pb::Message> message(prototype_->New());
    pb::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(payload.data()),
                                   static_cast<int>(payload.size()));
    input.SetRecursionLimit(static_cast<int>(limits::kSchemaDepth));
    const bool parses =
        message->MergePartialFromCodedStream(&input) && input.ConsumedEntireMessage();
    if (!parses) return {{"", "does not parse as " + prototype_->GetTypeName()}};
    std::vector<std::string> missing;
    message->FindInitializationErrors(&missing);
    std::vector<Issue> issues;
    for (const std::string& field : missing) {
      if (issues.size() == limits::kIssuesPerEvent) break;
      issues.push_back({field, "is required"});
    }
    return issues;
  }

 private:
  Descriptors descriptors_;
  pb::DynamicMessageFactory factory_;
  const pb::Message* prototype_ = nullptr;
};

}  // namespace

bool Descriptors::build(const std::string& text, std::string* why) {
  // Its complaints would go to the process's standard error.
  static const auto quiet = pb::SetLogHandler(nullptr);
  static_cast<void>(quiet);
  pb::FileDescriptorSet set;
  if (!set.ParseFromString(text)) {
    *why = "not a FileDescriptorSet, as protoc --descriptor_set_out writes it";
    return false;
  }
  Builder builder(set, &pool_);
  for (const auto& file : set.file()) {
    if (!builder.add(file.name(), 0, why)) return false;
  }
  return true;
}

CompiledPtr compile_protobuf(const std::string& text, const std::string& message,
                             std::string* why) {
  auto made = std::make_shared<ProtobufSchema>();
  if (!made->build(text, message, why)) return nullptr;
  return made;
}

}  // namespace headrace::schema
