// reload, log-level: what a running broker is told about its own work, over HTTP.
#include "client/cli/ask_node.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"

namespace headrace::cli {
namespace {

void print_changes(const nlohmann::json& changes, const char* what, std::string* out) {
  for (const auto& change : changes) {
    *out += std::string(what) + ": " + change.value("setting", "") + " from '" +
            change.value("before", "") + "' to '" + change.value("now", "") + "'\n";
  }
}

}  // namespace

int reload(const ConnectArguments& connect) {
  const auto report_of = ask_node(connect, {.method = "POST", .path = "/v1/config/reload"});
  if (!report_of.ok()) return report(report_of.error);
  const nlohmann::json& answer = report_of.value;
  if (connect.json) {
    print(answer.dump() + "\n");
    return kDone;
  }
  std::string out;
  const auto list = [&](const char* name) { return answer.value(name, nlohmann::json::array()); };
  print_changes(list("taken"), "in use", &out);
  print_changes(list("restart"), "waits for the next start", &out);
  if (answer.value("certificate", false)) out += "the certificate was read again\n";
  print(out.empty() ? "nothing has changed\n" : out);
  return kDone;
}

int set_log_level(const ConnectArguments& connect, const std::string& level) {
  const nlohmann::json body = {{"level", level}};
  const auto answer =
      ask_node(connect, {.method = "PUT", .path = "/v1/log/level", .body = body.dump()});
  if (!answer.ok()) return report(answer.error);
  print(connect.json ? answer.value.dump() + "\n"
                     : "log level " + answer.value.value("level", "") + ", before " +
                           answer.value.value("before", "") + "\n");
  return kDone;
}

}  // namespace headrace::cli
