// `months`.
#include <memory>

#include "client/cli/flags.h"
#include "client/cli/verbs.h"

namespace headrace::cli {

void add_month_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* noun = app.add_subcommand("months", "what the tenant has in each month, as a unit");
  noun->require_subcommand(1);
  using Run = int (*)(const ConnectArguments&, const MonthArguments&);
  const auto verb = [&](const char* name, const char* help, Run run) {
    auto given = std::make_shared<MonthArguments>();
    CLI::App* sub = noun->add_subcommand(name, help);
    sub->add_option("--topic", given->topics, "only of this one; may be repeated [all]");
    sub->callback([invocation, given, run] {
      invocation->action = [invocation, given, run] { return run(invocation->connect, *given); };
    });
    return std::pair(sub, given.get());
  };
  const auto add_month = [](CLI::App* sub, MonthArguments* given) {
    sub->add_option("month", given->month, "YYYYMM, UTC")
        ->required()
        ->check(CLI::Range(197'001u, 999'912u));
  };
  const auto add_rate = [](CLI::App* sub, MonthArguments* given) {
    add_size(sub, "--rate", &given->rate_bytes, "bytes a second [as fast as it goes]");
  };
  verb("ls", "events and bytes of each month", list_months);
  const auto [save, saved] = verb("export", "write a month to a file", export_month);
  add_month(save, saved);
  save->add_option("--file", saved->file, "a new one")->required();
  add_rate(save, saved);
  const auto [load, loaded] = verb("import", "put a month's file back into the log", import_month);
  load->add_option("file", loaded->file, "as export wrote it")->required();
  load->add_option("--into", loaded->into, "another topic than the one of --topic");
  load->add_flag("--check", loaded->only_check, "only read it, and check that it is whole");
  add_rate(load, loaded);
  const auto [drop, dropped] = verb("drop", "remove a month; --reason is audited", drop_month);
  add_month(drop, dropped);
  drop->add_option("--confirm", dropped->confirm, "the month once more");
  drop->add_flag("--force", dropped->force,
                 "acked groups let go of what they owe of it: dead letters, or skipped");
}

}  // namespace headrace::cli
