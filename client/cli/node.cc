// reload, log-level: what a running broker is told about its own work, over HTTP.
#include <nlohmann/json.hpp>

#include "client/cli/connect.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"

namespace headrace::cli {
namespace {

// The answer's object; an error of the broker as the native protocol would have told it.
client::Result<nlohmann::json> ask_node(const ConnectArguments& connect,
                                        const client::HttpCall& call) {
  const auto reply = call_http(connect, call, connect.timeout_ms);
  if (!reply.ok()) return reply.error;
  nlohmann::json answer = nlohmann::json::parse(reply->body, nullptr, false);
  if (!answer.is_object()) {
    return client::bad_reply("status " + std::to_string(reply->status) + " without a JSON object");
  }
  if (reply->status == 200) return answer;
  const auto text = [&](const char* name) {
    const auto at = answer.find(name);
    return at != answer.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  client::Error error = client::bad_reply(text("detail"));
  error.name = text("code");
  return error;
}

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
