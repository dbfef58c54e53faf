// Retention of topics as text: limits separated by commas, each told apart by its unit.
//   7d        events older than this
//   10GiB     bytes per partition
//   1000events  events per partition
//   3months   whole months kept beside the current one
//   none      no limit
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "headrace.pb.h"

namespace headrace {

constexpr std::string_view kRetentionExample = "limits such as 7d 10GiB 1000events 3months none";
std::optional<proto::Retention> parse_retention(std::string_view text);
std::string format_retention(const proto::Retention& retention);

}  // namespace headrace
