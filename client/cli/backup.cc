// backup: asks the broker for one and watches it.
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "client/cli/ask_node.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

std::string size_of(const nlohmann::json& object, const char* name) {
  return format_size(object.value(name, int64_t{0}) / 1024 * 1024);
}

int print_backups(const ConnectArguments& connect, const nlohmann::json& rows) {
  std::string out;
  Table table({"ID", "TIME", "SIZE", "FILES"});
  for (const auto& row : rows) {
    out += row.dump() + "\n";
    table.row({std::to_string(row.value("id", 0)), row.value("time", ""), size_of(row, "bytes"),
               std::to_string(row.value("files", 0))});
  }
  print(connect.json ? out : table.text());
  return kDone;
}

}  // namespace

int list_backups(const ConnectArguments& connect) {
  const auto state = ask_node(connect, {.path = "/v1/backups"});
  if (!state.ok()) return report(state.error);
  return print_backups(connect, state.value.value("backups", nlohmann::json::array()));
}

int back_up(const ConnectArguments& connect) {
  auto state = ask_node(connect, {.method = "POST", .path = "/v1/backups"});
  const bool watched = isatty(STDERR_FILENO) == 1;
  while (state.ok() && state.value.value("running", false)) {
    if (watched) {
      std::fprintf(stderr, "\r%s copied ", size_of(state.value, "copied_bytes").c_str());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    state = ask_node(connect, {.path = "/v1/backups"});
  }
  if (watched) std::fputs("\n", stderr);
  if (!state.ok()) return report(state.error);
  const auto failed = state.value.find("last_error");
  if (failed != state.value.end() && failed->is_string()) {
    return report(client::bad_reply(failed->get<std::string>()));
  }
  const auto rows = state.value.value("backups", nlohmann::json::array());
  if (rows.empty()) return report(client::bad_reply("the broker kept no backup"));
  return print_backups(connect, nlohmann::json::array({rows.back()}));
}

}  // namespace headrace::cli
