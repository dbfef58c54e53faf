// The route table: method, path, handler, permission. One file per resource in routes/.
#pragma once

#include <span>
#include <string_view>

#include "broker/admin/admin.h"
#include "broker/core/error.h"

namespace headrace::admin {

enum class Permission : uint8_t { open, metrics, describe };

struct Route {
  std::string_view method;
  std::string_view path;
  void (*run)(Admin& admin, const http::Request& request, http::Respond respond);
  Permission permission;
};
std::span<const Route> routes();

void get_metrics(Admin& admin, const http::Request& request, http::Respond respond);
void get_healthz(Admin& admin, const http::Request& request, http::Respond respond);
void get_readyz(Admin& admin, const http::Request& request, http::Respond respond);
void get_topics(Admin& admin, const http::Request& request, http::Respond respond);
void get_groups(Admin& admin, const http::Request& request, http::Respond respond);

// problem+json from the error table.
http::Response problem(const core::Error& error);

// `limit` (1 to 100, default 50) and `cursor` of a list; an error names the parameter.
struct Page {
  size_t limit = 50;
  std::string after;  // the last name of the page before
};
core::Error parse_page(const http::Request& request, Page* page);

}  // namespace headrace::admin
