// docs/http.md lists the routes that the broker has, and no others.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "broker/admin/openapi.h"
#include "broker/admin/routes.h"

namespace headrace::admin {
namespace {

// "| GET | `/v1/groups` | describe |": the first three cells of the rows of the tables.
std::vector<std::string> listed() {
  std::ifstream page(HEADRACE_SOURCE_DIR "/docs/http.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(page, line);) {
    if (line.find("| `/") == std::string::npos) continue;
    size_t end = 0;
    for (int bars = 0; bars < 3 && end != std::string::npos; ++bars) end = line.find('|', end + 1);
    rows.push_back(line.substr(0, end));
  }
  return rows;
}

TEST(HttpPage, ListsEveryRoute) {
  std::vector<std::string> expected;
  for (const Route& route : routes()) {
    std::string row = "| ";
    row.append(route.method).append(" | `").append(route.path).append("` | ");
    expected.push_back(row.append(core::to_string(route.permission)).append(" "));
  }
  EXPECT_EQ(listed(), expected);
}

// So is the document for programs; tests/e2e/openapi_test.py compares it with real answers.
TEST(OpenApi, HasEveryRouteWithItsPermission) {
  const auto document = nlohmann::json::parse(openapi_document("9.9"));
  EXPECT_EQ(document["info"]["version"], "9.9");
  std::set<std::string> has;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      has.insert(upper + " " + path + " " + operation.value("x-permission", ""));
    }
  }
  std::set<std::string> expected;
  for (const Route& route : routes()) {
    std::string row(route.method);
    row.append(" ").append(route.path).append(" ").append(core::to_string(route.permission));
    expected.insert(row);
  }
  EXPECT_EQ(has, expected) << "broker/admin/openapi/*.json";
}

TEST(FindRoute, ByMethodAndSegments) {
  const auto find = [](const char* method, std::vector<std::string> segments,
                       PathParameters* parameters, std::string* allowed) {
    http::Request request;
    request.method = method;
    request.segments = std::move(segments);
    return find_route(request, parameters, allowed);
  };
  PathParameters parameters;
  std::string allowed;
  const Route* route = find("GET", {"v1", "topics", "a/b", "events", "x"}, &parameters, &allowed);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->path, "/v1/topics/{topic}/events/{id}");
  EXPECT_EQ(parameters, (PathParameters{{"topic", "a/b"}, {"id", "x"}}));

  EXPECT_EQ(find("PUT", {"v1", "topics"}, &parameters, &allowed), nullptr);
  EXPECT_EQ(allowed, "GET, HEAD, POST");
  for (const auto& nowhere : std::vector<std::vector<std::string>>{
           {}, {""}, {"v1"}, {"v1", "topics", ""}, {"v1", "topics", "t", "events", "x", "y"}}) {
    allowed.clear();
    EXPECT_EQ(find("GET", nowhere, &parameters, &allowed), nullptr);
    EXPECT_EQ(allowed, "");
  }
}

}  // namespace
}  // namespace headrace::admin
