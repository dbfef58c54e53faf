// Protobuf descriptors as schemas. As schema.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/schema/schema.h"

namespace headrace::schema {

// `text`: a serialized FileDescriptorSet with all that it imports, but google/protobuf/*.
CompiledPtr compile_protobuf(const std::string& text, const std::string& message, std::string* why);
std::vector<Difference> protobuf_differences(const Source& older, const Source& newer);

}  // namespace headrace::schema
