#include "broker/admin/routes.h"

#include <algorithm>

namespace headrace::admin {
namespace {

// Segment by segment; a parameter takes any one segment that is not empty.
bool matches(std::string_view path, const std::vector<std::string>& segments,
             PathParameters* parameters) {
  parameters->clear();
  for (const std::string& segment : segments) {
    if (path.empty()) return false;
    path.remove_prefix(1);  // the slash
    const std::string_view expected = path.substr(0, path.find('/'));
    path.remove_prefix(expected.size());
    if (expected.starts_with('{')) {
      if (segment.empty()) return false;
      parameters->emplace_back(expected.substr(1, expected.size() - 2), segment);
    } else if (expected != segment) {
      return false;
    }
  }
  return path.empty();
}

void add_method(std::string_view method, std::string* allowed) {
  if (!allowed->empty()) *allowed += ", ";
  *allowed += method;
  if (method == "GET") *allowed += ", HEAD";
}

}  // namespace

std::span<const Route> routes() {
  static constexpr Route kRoutes[] = {
#define HR_ROUTE(method, path, handler, permission) \
  {#method, path, handler, Permission::permission},
#include "broker/admin/routes.def"
#undef HR_ROUTE
  };
  return kRoutes;
}

const Route* find_route(const http::Request& request, PathParameters* parameters,
                        std::string* allowed) {
  for (const Route& route : routes()) {
    if (!matches(route.path, request.segments, parameters)) continue;
    if (route.method == request.method) return &route;
    add_method(route.method, allowed);
  }
  return nullptr;
}

}  // namespace headrace::admin
