#include "client/cli/connect.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cctype>
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

client::Result<std::string> read_secret(const std::string& path, const char* flag) {
  std::string secret;
  std::ifstream file(path == "-" ? "/dev/stdin" : path);
  std::getline(file, secret);
  if (!file && secret.empty()) {
    return client::bad_argument(std::string(flag) + ": cannot read from '" + path + "'");
  }
  const auto space = [](char c) { return c == ' ' || c == '\r' || c == '\n' || c == '\t'; };
  while (!secret.empty() && space(secret.back())) secret.pop_back();
  return secret;
}

client::Result<std::string> ask_secret(const std::string& prompt) {
  std::fstream terminal("/dev/tty");
  const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  termios shown{};
  if (fd < 0 || !terminal || tcgetattr(fd, &shown) != 0) {
    if (fd >= 0) close(fd);
    return client::bad_argument("there is no terminal to ask for the password on");
  }
  termios hidden = shown;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(fd, TCSAFLUSH, &hidden);
  std::string secret;
  terminal << prompt << std::flush;
  std::getline(terminal, secret);
  tcsetattr(fd, TCSAFLUSH, &shown);
  close(fd);
  terminal.clear();
  terminal << '\n' << std::flush;
  return secret;
}

client::Result<std::string> password(const ConnectArguments& connect) {
  if (!connect.password_file.empty()) {
    return read_secret(connect.password_file, "--password-file");
  }
  if (const char* set = std::getenv("HEADRACE_PASSWORD")) return std::string(set);
  return ask_secret("password of " + connect.user + ": ");
}

client::Result<std::string> api_key(const ConnectArguments& connect) {
  if (!connect.api_key_file.empty()) return read_secret(connect.api_key_file, "--api-key-file");
  std::string key;
  if (const char* set = std::getenv("HEADRACE_API_KEY")) key = set;
  while (!key.empty() && std::isspace(static_cast<unsigned char>(key.back())) != 0) key.pop_back();
  return key;
}

client::Result<client::HttpReply> call_http(const ConnectArguments& connect,
                                            const client::HttpCall& call, int64_t timeout_ms) {
  const client::Result<std::string> key = api_key(connect);
  if (!key.ok()) return key.error;
  if (!connect.user.empty() && key->empty()) {
    return client::bad_argument("--user: HTTP, which this verb speaks, takes API keys only");
  }
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
  auto reply = client::http_call(connect.http, call, tls.value, headers, timeout_ms);
  if (reply.error.code == client::kCodeUnreachable) {
    reply.error.name = kHttpUnreachable;
    reply.error.message = connect.http + ": " + reply.error.message;
  }
  return reply;
}

}  // namespace headrace::cli
