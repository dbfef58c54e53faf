#include "client/cli/session.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "client/cli/connect.h"
#include "metrics/quantity.h"
#include "net/io.h"

namespace headrace::cli {

namespace {
// What to do, in the words of the command line.
constexpr std::pair<const char*, const char*> kAdvice[] = {
    {"unknown_topic", "`headrace topics ls` lists the topics, `topics create NAME` makes one"},
    {"unknown_group", "`headrace groups ls` lists the groups, `groups create` makes an acked one"},
    {"topic_exists",
     "--if-missing makes an equal one a success, `headrace topics describe NAME` shows what it "
     "has"},
    {"group_exists",
     "--if-missing makes an equal one a success, `headrace groups describe NAME` shows its "
     "options, `groups update` changes them"},
    {"principal_exists",
     "--if-missing makes an equal one a success, `headrace principals update` changes it"},
    {"tenant_exists", "--if-missing makes that a success"},
    {"unknown_tenant",
     "`headrace me` without --tenant shows yours; platform admins: `headrace tenants ls`"},
    {"group_kind",
     "`consume --group` is for positional groups, `subscribe`, `dlq` and `explain` for acked ones"},
    {"unknown_event", "`headrace events ls` searches the history"},
    {"unauthenticated",
     "HEADRACE_API_KEY or --api-key-file gives an API key, --user a name with a password"},
    {"forbidden", "`headrace me` shows who you are and what you may do"},
    {"unknown_principal", "`headrace principals ls` lists them"},
    {"unknown_key", "`headrace keys ls` lists them"},
};
// Refused for who asks or for how much they use. By name, as HTTP says it, and by the native code,
// which is all that the result of one event has.
constexpr std::pair<const char*, uint16_t> kRefusals[] = {
    {"limit_reached", 60},       {"unknown_tenant", 49},    {"unauthenticated", 104},
    {"forbidden", 105},          {"tenant_suspended", 106}, {"access_changed", 107},
    {"bad_authentication", 130}, {"quota_exceeded", 125},   {"quota_reached", 126},
};
std::atomic<bool> g_interrupted{false};
void on_signal(int) {
  g_interrupted.store(true, std::memory_order_relaxed);
}
}  // namespace

int exit_code(const client::Error& error) {
  if (!error) return kDone;
  if (error.is_unreachable() || error.code == client::kCodeTls) return kUnreachable;
  if (error.code == client::kCodeBadArgument) return kUsage;
  for (const auto& [name, code] : kRefusals) {
    if (error.is(name) || error.code == code) return kRefused;
  }
  return kFailed;
}

int report(const client::Error& error) {
  std::fprintf(stderr, "headrace: %s\n", error.message.c_str());
  if (error.is(kHttpUnreachable)) {
    std::fputs("is the broker running? --http URL (HEADRACE_HTTP) says where its HTTP side is\n",
               stderr);
  } else if (error.code == client::kCodeUnreachable) {
    std::fputs("is the broker running? --server HOST:PORT (HEADRACE_SERVER) says where it is\n",
               stderr);
  }
  for (const auto& [name, advice] : kAdvice) {
    if (error.is(name)) std::fprintf(stderr, "%s\n", advice);
  }
  return exit_code(error);
}

int usage_error(std::string_view message) {
  std::fprintf(stderr, "headrace: %.*s\n", static_cast<int>(message.size()), message.data());
  return kUsage;
}

client::Result<std::unique_ptr<client::Client>> make_client(const ConnectArguments& connect) {
  client::ClientOptions options;
  std::string error;
  if (!net::parse_endpoint(connect.server, &options.server, &error)) {
    return client::bad_argument("--server: " + error);
  }
  if (!connect.as_tenant.empty() && connect.reason.empty()) {
    return client::bad_argument("--as-tenant needs --reason");
  }
  if (connect.user.empty()) {
    client::Result<std::string> key = api_key(connect);
    if (!key.ok()) return key.error;
    options.api_key = std::move(key.value);
  } else {
    client::Result<std::string> secret = password(connect);
    if (!secret.ok()) return secret.error;
    options.user = connect.user;
    options.password = std::move(secret.value);
  }
  auto tls = server_tls(connect);
  if (!tls.ok()) return tls.error;
  options.tls = std::move(tls.value);
  options.tenant = connect.tenant;
  options.as_tenant = connect.as_tenant;
  options.reason = connect.reason;
  options.timeout_ms = connect.timeout_ms;
  options.connecting_again = [told = false,
                              ms = connect.timeout_ms](const client::Error& why) mutable {
    if (std::exchange(told, true)) return;
    std::fprintf(stderr, "headrace: %s; trying again for %s (--timeout)\n", why.message.c_str(),
                 format_duration_us(ms * 1000).c_str());
  };
  return std::make_unique<client::Client>(std::move(options));
}

bool print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

bool confirmed(const std::string& what, const std::string& name, bool yes) {
  if (yes || isatty(STDIN_FILENO) == 0) return true;
  std::fprintf(stderr, "%s; type '%s' to go on (--yes does not ask): ", what.c_str(), name.c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == name) return true;
  std::fputs("headrace: not confirmed, nothing was deleted\n", stderr);
  return false;
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const auto& cells : rows_) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string text;
  for (const auto& cells : rows_) {
    for (size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - cells[i].size() + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends the process at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() {
  return g_interrupted.load(std::memory_order_relaxed);
}

}  // namespace headrace::cli
