// Declares every verb and flag. Parsing leaves in `action` what to run. The one header with CLI11
// in it, for cli.cc and flags*.cc only: it is slow to compile.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "client/cli/cli.h"

namespace headrace::cli {

struct Invocation {
  ConnectArguments connect;  // filled by the flags that every verb takes
  std::function<int()> action;
};

void add_verbs(CLI::App& app, Invocation* invocation, const Verbs& verbs);
// serve, config and bench.
void add_broker_verbs(CLI::App& app, Invocation* invocation, const Verbs& verbs);
// groups, subscribe and dlq.
void add_group_verbs(CLI::App& app, Invocation* invocation);
// events, explain and audit.
void add_event_verbs(CLI::App& app, Invocation* invocation);
// me, principals, keys and tenants.
void add_access_verbs(CLI::App& app, Invocation* invocation);
// schemas.
void add_schema_verbs(CLI::App& app, Invocation* invocation);
// months.
void add_month_verbs(CLI::App& app, Invocation* invocation);
void add_replay(CLI::App& app, Invocation* invocation);
void add_redrive(CLI::App* dlq, Invocation* invocation);

// Flags in people's units: `30s`, `64KiB`. What does not parse is bad usage and names the flag.
CLI::Option* add_duration_ms(CLI::App* app, const std::string& flags, int64_t* milliseconds,
                             const std::string& help);
CLI::Option* add_duration_ms(CLI::App* app, const std::string& flags,
                             std::optional<int64_t>* milliseconds, const std::string& help);
CLI::Option* add_size(CLI::App* app, const std::string& flags, uint64_t* bytes,
                      const std::string& help);
CLI::Option* add_size(CLI::App* app, const std::string& flags, std::optional<uint64_t>* bytes,
                      const std::string& help);

CLI::Validator positive();

}  // namespace headrace::cli
