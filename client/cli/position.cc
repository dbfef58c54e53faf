#include "client/cli/position.h"

#include <string>

#include "json/position.h"

namespace headrace::cli {

client::Result<proto::Position> parse_position(std::string_view text) {
  if (auto position = headrace::parse_position(text)) return *position;
  return client::bad_argument("--from: '" + std::string(text) + "' is not " +
                              std::string(kPositionExample));
}

}  // namespace headrace::cli
