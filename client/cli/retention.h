// `--retention` of topics: limits separated by commas, each told apart by its unit.
//   7d        events older than this
//   10GiB     bytes per partition
//   1000events  events per partition
//   3months   whole months kept beside the current one
//   none      no limit
#pragma once

#include <string>
#include <string_view>

#include "client/error.h"
#include "headrace.pb.h"

namespace headrace::cli {

client::Result<proto::Retention> parse_retention(std::string_view text);
std::string format_retention(const proto::Retention& retention);  // the same form

}  // namespace headrace::cli
