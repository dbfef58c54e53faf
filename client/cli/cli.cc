#include "client/cli/cli.h"

#include <algorithm>
#include <cstdio>

#include "client/cli/flags.h"
#include "metrics/edit_distance.h"

namespace headrace::cli {

namespace {

void add_connect_flags(CLI::App* app, ConnectArguments* connect) {
  const char* group = "Every verb";
  app->add_option("--server", connect->server, "HOST:PORT of the broker")
      ->envname("HEADRACE_SERVER")
      ->capture_default_str()
      ->group(group);
  app->add_option("--http", connect->http, "URL of its HTTP side")
      ->envname("HEADRACE_HTTP")
      ->capture_default_str()
      ->group(group);
  app->add_flag("--tls", connect->tls, "speak TLS with the broker")
      ->envname("HEADRACE_TLS")
      ->group(group);
  app->add_option("--ca-file", connect->ca_file, "CAs to trust, in PEM [the system's]")
      ->envname("HEADRACE_CA_FILE")
      ->group(group);
  app->add_option("--cert", connect->cert, "certificate to show to the broker, in PEM")
      ->envname("HEADRACE_CERT")
      ->group(group);
  app->add_option("--cert-key", connect->cert_key, "file with its private key, in PEM")
      ->envname("HEADRACE_CERT_KEY")
      ->group(group);
  app->add_option("--server-name", connect->server_name,
                  "name in the broker's certificate [the host]")
      ->envname("HEADRACE_SERVER_NAME")
      ->group(group);
  app->add_option("--tenant", connect->tenant, "must be the key's own [its own]")->group(group);
  app->add_option("--api-key-file", connect->api_key_file,
                  "file with the API key [HEADRACE_API_KEY holds it]")
      ->group(group);
  app->add_option("--user", connect->user, "principal that logs in with a password [by key]")
      ->envname("HEADRACE_USER")
      ->group(group);
  app->add_option("--password-file", connect->password_file,
                  "file with its password [HEADRACE_PASSWORD, else it is asked for]")
      ->group(group);
  app->add_option("--as-tenant", connect->as_tenant,
                  "platform admins: act in another tenant; audited")
      ->group(group);
  app->add_option("--reason", connect->reason, "why, for the audit trail")->group(group);
  add_duration_ms(app, "--timeout", &connect->timeout_ms,
                  "give up after this long, reconnecting included [30s]")
      ->group(group);
  app->add_flag("--json", connect->json, "one JSON object a line on standard output")->group(group);
}

const CLI::App* deepest(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? &app : deepest(*parsed.back());
}

// What was meant by a word that is no verb here, or no flag.
std::string guess(const CLI::App& at, const std::string& word) {
  std::vector<std::string> known;
  if (word.starts_with('-')) {
    for (const CLI::App* app = &at; app != nullptr; app = app->get_parent()) {
      for (const CLI::Option* option : app->get_options()) {
        if (!option->get_lnames().empty()) known.push_back("--" + option->get_lnames().front());
      }
    }
  } else {
    for (const CLI::App* verb : at.get_subcommands({})) known.push_back(verb->get_name());
  }
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, word) < edit_distance(b, word);
      });
  if (nearest == known.end() || *nearest == word) return "";
  // Half of it and more is another word.
  if (2 * edit_distance(*nearest, word) > word.size()) return "";
  return "; did you mean '" + *nearest + "'?";
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* const at = deepest(app);
  const auto rest = app.remaining(true);
  std::string command = "headrace";
  for (const CLI::App* one = &app; one != at; command += " " + one->get_name()) {
    one = one->get_subcommands().back();
  }
  const bool no_verb = !at->get_subcommands({}).empty();
  std::string message = error.what();
  constexpr std::string_view kNoNumber = "Could not convert: ";  // FLAG = TEXT
  if (message.starts_with(kNoNumber)) {
    message = message.substr(kNoNumber.size()) + ": not a number that this flag takes";
  }
  if (!rest.empty() && !rest.front().starts_with('-') && no_verb) {
    message = "there is no verb '" + rest.front() + "' after '" + command + "'" +
              guess(*at, rest.front());
  } else if (!rest.empty() && rest.front().starts_with('-')) {
    message = "'" + command + "' has no flag '" + rest.front() + "'" + guess(*at, rest.front());
  } else if (no_verb) {
    message = "'" + command + "' needs a verb";
  }
  std::fprintf(stderr, "headrace: %s\n`%s --help` tells what there is\n", message.c_str(),
               command.c_str());
  return kUsage;
}

}  // namespace

int run(int argc, char** argv, const Verbs& verbs) {
  CLI::App app{"Headrace: a log-structured event broker", "headrace"};
  app.footer(
      "Exit code: 0 done, 1 failed, 2 bad usage, 3 cannot reach the broker, 4 refused.\n"
      "Durations: 250ms 30s 5m 2h 7d. Sizes: 64KiB 1GiB. Times: RFC 3339.");
  app.require_subcommand(1);
  app.set_version_flag("--version", "headrace " HEADRACE_VERSION);
  app.fallthrough();
  Invocation invocation;
  add_connect_flags(&app, &invocation.connect);
  add_verbs(app, &invocation, verbs);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return invocation.action();
}

}  // namespace headrace::cli
