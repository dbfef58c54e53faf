#include "client/cli/ask_node.h"

namespace headrace::cli {

client::Result<nlohmann::json> ask_node(const ConnectArguments& connect,
                                        const client::HttpCall& call) {
  const auto reply = call_http(connect, call, connect.timeout_ms);
  if (!reply.ok()) return reply.error;
  nlohmann::json answer = nlohmann::json::parse(reply->body, nullptr, false);
  if (!answer.is_object()) {
    return client::bad_reply("status " + std::to_string(reply->status) + " without a JSON object");
  }
  if (reply->status / 100 == 2) return answer;
  const auto text = [&](const char* name) {
    const auto at = answer.find(name);
    return at != answer.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  client::Error error = client::bad_reply(text("detail"));
  error.name = text("code");
  return error;
}

}  // namespace headrace::cli
