// A pool of descriptors out of a FileDescriptorSet of strangers. Immutable once built; any thread.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace headrace::schema {

class Descriptors {
 public:
  // False and *why if the set does not parse, lacks an import, or is wrong in itself.
  bool build(const std::string& text, std::string* why);
  const google::protobuf::Descriptor* message(const std::string& name) const {
    return pool_.FindMessageTypeByName(name);
  }

 private:
  google::protobuf::DescriptorPool pool_;
};

}  // namespace headrace::schema
