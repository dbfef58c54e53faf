// `schemas`.
#include <memory>

#include "client/cli/flags.h"
#include "client/cli/verbs.h"

namespace headrace::cli {

void add_schema_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* noun = app.add_subcommand("schemas", "what events of a type look like");
  noun->require_subcommand(1);
  auto given = std::make_shared<SchemaArguments>();
  using RunSchemas = int (*)(const ConnectArguments&, const SchemaArguments&);
  const auto verb = [&](const char* name, const char* help, RunSchemas run) {
    CLI::App* sub = noun->add_subcommand(name, help);
    sub->callback([invocation, given, run] {
      invocation->action = [invocation, given, run] { return run(invocation->connect, *given); };
    });
    return sub;
  };
  const auto add_type = [&](CLI::App* sub) {
    sub->add_option("type", given->type, "of the events")->required();
  };
  const auto add_settings = [&](CLI::App* sub, const char* mode) {
    sub->add_option(mode, given->mode, "off, advisory, enforce or dead-letter");
    sub->add_option("--compatibility", given->compatibility,
                    "none, backward, forward, full; -transitive: with every version");
  };
  const auto add_version = [&](CLI::App* sub, const char* help) {
    sub->add_option("--version", given->version, help)->check(positive());
  };

  CLI::App* add = verb("register", "a new version, compatible with what is there", register_schema);
  add_type(add);
  add->add_option("--file", given->file,
                  "the JSON Schema (draft 7), or what protoc --descriptor_set_out wrote; - for "
                  "standard input")
      ->required();
  add->add_option("--message", given->message, "full name of the Protobuf message in there");
  add_version(add, "its number [the next one]");
  add_settings(add, "--mode");
  add->add_flag("--dry-run", given->dry_run, "only say whether it would be taken");
  CLI::App* list = verb("ls", "types with their versions", list_schemas);
  list->add_option("type", given->type, "only this one");
  CLI::App* get = verb("get", "the schema itself", show_schema);
  add_type(get);
  add_version(get, "which [the newest]");
  CLI::App* diff =
      verb("diff", "what changed between two versions, and what it breaks", diff_schemas);
  add_type(diff);
  diff->add_option("from", given->from, "version [the one before]")->check(positive());
  diff->add_option("to", given->to, "version [the newest]")->check(positive());
  CLI::App* check =
      verb("check", "whether an event's data matches; exit code 1 if not", check_event);
  add_type(check);
  check->add_option("--file", given->file, "the data; - for standard input")->required();
  add_version(check, "of the schema [the newest]");
  CLI::App* mode = verb("mode", "how events of the type are validated", update_schema_type);
  add_type(mode);
  add_settings(mode, "mode");
  CLI::App* remove = verb("delete", "a version, or the type", delete_schema);
  add_type(remove);
  add_version(remove, "which");
  remove->add_flag("--all", given->all, "every version");
}

}  // namespace headrace::cli
