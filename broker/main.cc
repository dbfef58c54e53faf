// headrace: `serve` is the broker, every other verb is the command line (client/cli).
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/bench.h"
#include "broker/config.h"
#include "broker/doctor/doctor.h"
#include "broker/node.h"
#include "broker/tenant_restore.h"
#include "client/cli/cli.h"
#include "metrics/log.h"
#include "metrics/quantity.h"
#include "metrics/time.h"
#include "storage/rocks/backup.h"

namespace headrace {
namespace {

// What stands on the command line as configuration flags; the configuration checks them.
broker::ConfigSources sources_of(const cli::ServeArguments& arguments) {
  broker::ConfigSources sources;
  sources.file = arguments.config_file;
  sources.environment = broker::environment_of_process();
  if (!arguments.data.empty()) sources.flags.emplace_back("broker.data", arguments.data);
  if (arguments.listen) sources.flags.emplace_back("broker.listen", *arguments.listen);
  if (arguments.http_listen) sources.flags.emplace_back("http.listen", *arguments.http_listen);
  if (arguments.reactors) {
    sources.flags.emplace_back("broker.reactors", std::to_string(*arguments.reactors));
  }
  sources.flags.insert(sources.flags.end(), arguments.set.begin(), arguments.set.end());
  return sources;
}

std::optional<broker::Config> load(const cli::ServeArguments& arguments) {
  std::vector<std::string> errors;
  auto config = broker::load_config(sources_of(arguments), &errors);
  for (const auto& error : errors) std::cerr << "headrace: " << error << "\n";
  return config;
}

void print_ready(const broker::Node& node, const std::string& data, bool json) {
  if (json) {
    nlohmann::ordered_json line;
    line["event"] = "ready";
    line["listen"] = node.listen().to_string();
    line["http"] = node.http_url();
    if (!node.metrics_url().empty()) line["metrics"] = node.metrics_url();
    line["anonymous"] = node.lets_anybody_in();
    std::cout << line.dump() << std::endl;
    return;
  }
  std::cout << "ready: native protocol on " << node.listen().to_string() << ", HTTP on "
            << node.http_url() << ", data in " << data << std::endl;
  if (!node.metrics_url().empty()) std::cout << "metrics also on " << node.metrics_url() << "\n";
  if (!node.lets_anybody_in()) return;
  std::cout << "anybody who reaches it is its owner; docs/access.md says how to end that"
            << std::endl;
}

int serve(const cli::ServeArguments& arguments) {
  const auto config = load(arguments);
  if (!config) return cli::kUsage;
  broker::configure_log(*config);
  // Batches come and go on different threads: keep their memory in the process.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most glibc takes
  mallopt(M_TRIM_THRESHOLD, 256 << 20);

  // Blocked before any thread starts, so that only this one hears them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // A connection is a file descriptor: take as many as the system allows.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }

  broker::Node node(*config, [arguments](std::vector<std::string>* errors) {
    return broker::load_config(sources_of(arguments), errors);
  });
  std::string error;
  if (!node.start(&error)) {
    std::cerr << "headrace: " << error << std::endl;
    return cli::kFailed;
  }
  log::info("serving", {{"version", HEADRACE_VERSION},
                        {"listen", node.listen().to_string()},
                        {"http", node.http_url()},
                        {"data", config->broker.data}});
  print_ready(node, config->broker.data, arguments.json);
  int signal_number = 0;
  while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGHUP) node.reload();
  log::info("draining", {{"signal", strsignal(signal_number)}});
  const bool clean = node.stop();
  log::info("stopped", {{"clean", clean}});
  return cli::kDone;
}

int print_config(const cli::ServeArguments& arguments) {
  const auto config = load(arguments);
  if (!config) return cli::kUsage;
  if (!arguments.json) {
    std::cout << broker::config_as_toml(*config);
    return cli::kDone;
  }
  for (const broker::ConfigField& field : broker::config_fields()) {
    nlohmann::ordered_json line;
    line["setting"] = field.name();
    line["value"] = field.value(*config);
    line["environment"] = field.environment();
    line["live"] = field.live();
    std::cout << line.dump() << "\n";
  }
  return cli::kDone;
}

cli::Examination examine(const std::string& data_dir) {
  log::configure(log::Level::warn, log::Format::text);
  std::vector<doctor::Check> checks;
  cli::Examination found;
  if (!doctor::examine(data_dir, &checks, &found.error)) return found;
  for (doctor::Check& check : checks) {
    cli::Examination::Check& row = found.checks.emplace_back();
    row.name = check.name;
    row.covered = check.covered;
    row.more = check.more;
    for (auto& finding : check.findings)
      row.findings.push_back({finding.where, finding.what, finding.advice});
  }
  return found;
}

int restore_one(const cli::RestoreArguments& given) {
  broker::TenantRestored restored;
  std::string error;
  if (!broker::restore_tenant(
          {given.from, given.id, given.data, given.tenant, given.replace, given.reason}, &restored,
          &error)) {
    std::cerr << "headrace: " << error << std::endl;
    return cli::kFailed;
  }
  const std::string time = format_time_us(restored.backup.time_s * kMicrosPerSecond);
  if (given.json) {
    nlohmann::ordered_json line;
    line["id"] = restored.backup.id;
    line["time"] = time;
    line["data"] = given.data;
    line["tenant"] = given.tenant;
    line["rows"] = restored.rows;
    line["bytes"] = restored.bytes;
    std::cout << line.dump() << std::endl;
    return cli::kDone;
  }
  std::cout << "tenant " << given.tenant << " is as it was in backup " << restored.backup.id
            << " of " << time << ": " << restored.rows << " rows" << std::endl;
  return cli::kDone;
}

int restore(const cli::RestoreArguments& given) {
  log::configure(log::Level::warn, log::Format::text);
  if (!given.tenant.empty()) return restore_one(given);
  storage::Restored restored;
  std::string error;
  if (!storage::restore_backup(given.from, given.id, given.data, &restored, &error)) {
    std::cerr << "headrace: " << error << std::endl;
    return cli::kFailed;
  }
  const auto& [id, time_s, bytes, files] = restored.backup;
  if (given.json) {
    nlohmann::ordered_json line;
    line["id"] = id;
    line["time"] = format_time_us(time_s * kMicrosPerSecond);
    line["bytes"] = bytes;
    line["files"] = files;
    line["data"] = nullptr;
    if (!given.data.empty()) line["data"] = given.data;
    std::cout << line.dump() << std::endl;
    return cli::kDone;
  }
  std::cout << "backup " << id << " of " << format_time_us(time_s * kMicrosPerSecond)
            << " is whole";
  if (!given.data.empty()) {
    std::cout << "; restored: headrace serve --data " << given.data;
  }
  std::cout << std::endl;
  return cli::kDone;
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  return headrace::cli::run(argc, argv,
                            {headrace::serve, headrace::print_config, headrace::bench::run,
                             headrace::examine, headrace::restore});
}
