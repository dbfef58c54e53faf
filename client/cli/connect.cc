#include "client/cli/connect.h"

#include <cstdlib>
#include <fstream>

#include "net/tls/context.h"

namespace headrace::cli {

client::Result<client::TlsOptions> tls_options(const ConnectArguments& connect) {
  client::TlsOptions options;
  std::string error;
  options.context =
      net::make_tls_client_context({connect.ca_file, connect.cert, connect.cert_key}, &error);
  if (options.context == nullptr) return client::bad_argument(error);
  options.server_name = connect.server_name;
  return options;
}

client::Result<client::TlsOptions> server_tls(const ConnectArguments& connect) {
  if (!connect.tls) return client::TlsOptions{};
  auto options = tls_options(connect);
  // The address of localhost is looked up before the connection is made: its name is lost then.
  if (options->server_name.empty() && connect.server.starts_with("localhost:")) {
    options->server_name = "localhost";
  }
  return options;
}

client::Result<std::string> api_key(const ConnectArguments& connect) {
  std::string key;
  if (connect.api_key_file.empty()) {
    const char* const set = std::getenv("HEADRACE_API_KEY");
    if (set != nullptr) key = set;
  } else {
    std::ifstream file(connect.api_key_file);
    std::getline(file, key);
    if (!file && key.empty()) {
      return client::bad_argument("--api-key-file: cannot read a key from '" +
                                  connect.api_key_file + "'");
    }
  }
  const auto space = [](char c) { return c == ' ' || c == '\r' || c == '\n' || c == '\t'; };
  while (!key.empty() && space(key.back())) key.pop_back();
  return key;
}

client::Result<client::HttpReply> call_http(const ConnectArguments& connect,
                                            const client::HttpCall& call, int64_t timeout_ms) {
  const client::Result<std::string> key = api_key(connect);
  if (!key.ok()) return key.error;
  client::HttpHeaders headers;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) headers.emplace_back(name, value);
  };
  add("Authorization", key->empty() ? "" : "Bearer " + key.value);
  add("Headrace-Tenant", connect.tenant);
  add("Headrace-As-Tenant", connect.as_tenant);
  add("Headrace-Reason", connect.reason);
  client::Result<client::TlsOptions> tls;
  if (client::is_https(connect.http)) tls = tls_options(connect);
  if (!tls.ok()) return tls.error;
  return client::http_call(connect.http, call, tls.value, headers, timeout_ms);
}

}  // namespace headrace::cli
