#include "client/cli/cli.h"

#include "client/cli/flags.h"

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
  app->add_option("--tenant", connect->tenant, "tenant to work in")
      ->capture_default_str()
      ->group(group);
  app->add_option("--api-key-file", connect->api_key_file,
                  "file with the key (or HEADRACE_API_KEY)")
      ->group(group);
  app->add_option("--as-tenant", connect->as_tenant, "act as another tenant; audited")
      ->group(group);
  app->add_option("--reason", connect->reason, "why, for the audit trail")->group(group);
  add_duration_ms(app, "--timeout", &connect->timeout_ms,
                  "give up after this long, reconnecting included [30s]")
      ->group(group);
  app->add_flag("--json", connect->json, "one JSON object a line on standard output")->group(group);
}

}  // namespace

int run(int argc, char** argv, const Verbs& verbs) {
  CLI::App app{"Headrace: a log-structured event broker", "headrace"};
  app.footer(
      "Exit code: 0 done, 1 failed, 2 bad usage, 3 cannot reach the broker, 4 refused.\n"
      "Durations: 250ms 30s 5m 2h 7d. Sizes: 64KiB 1GiB. Times: RFC 3339.");
  app.require_subcommand(1);
  app.fallthrough();
  Invocation invocation;
  add_connect_flags(&app, &invocation.connect);
  add_verbs(app, &invocation, verbs);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kUsage;
  }
  return invocation.action();
}

}  // namespace headrace::cli
