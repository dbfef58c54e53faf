// docs/http.md lists the routes that the broker has, and no others.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

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
