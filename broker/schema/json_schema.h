// JSON Schema draft 7 by valijson, with patterns evaluated by RE2 and a bounded cost. As schema.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/schema/schema.h"

namespace headrace::schema {

CompiledPtr compile_json(std::string_view text, std::string* why);
std::vector<Difference> json_differences(std::string_view older, std::string_view newer);

}  // namespace headrace::schema
