// The route table, made of routes.def. One file per noun in routes/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/admin/call.h"
#include "broker/core/permission.h"

namespace headrace::admin {

using core::Permission;

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/groups/{group}"
  void (*run)(const CallPtr& call);
  Permission permission;
};
std::span<const Route> routes();

// The route of a request and the values of its parameters. nullptr: the path serves the methods
// that *allowed lists, or does not exist if it lists none.
const Route* find_route(const http::Request& request, PathParameters* parameters,
                        std::string* allowed);

#define HR_ROUTE(method, path, handler, permission) void handler(const CallPtr& call);
#include "broker/admin/routes.def"
#undef HR_ROUTE

}  // namespace headrace::admin
