// `groups`, `subscribe` and `dlq`.
#include <memory>

#include "client/cli/dead_letters.h"
#include "client/cli/flags.h"
#include "client/cli/verbs.h"

namespace headrace::cli {

namespace {

void add_matching_flags(CLI::App* verb, GroupOptionArguments* given) {
  verb->add_option("--filter", given->filters,
                   "type pattern; may be repeated: any of them [every event]")
      ->expected(1)
      ->take_all();
  verb->add_option("--where", given->conditions,
                   "condition on attributes and headers, e.g. 'grade >= 80'; may be repeated: all "
                   "of them")
      ->expected(1)
      ->take_all();
  verb->add_option("--ordering", given->ordering, "none or key [none]");
  verb->add_option("--priority", given->priority, "0 to 31, higher first [16]");
  verb->add_option("--schema-from", given->schema_from, "lowest schema version of the handler");
  verb->add_option("--schema-to", given->schema_to, "highest schema version of the handler");
  verb->add_option("--version-mismatch", given->version_mismatch,
                   "events of other versions: skip or dead-letter [skip]");
}

void add_failure_flags(CLI::App* verb, GroupOptionArguments* given) {
  add_duration_ms(verb, "--ack-deadline", &given->ack_deadline_ms,
                  "a delivery without an outcome has failed after this long [30s]");
  verb->add_option("--max-in-flight", given->max_in_flight, "deliveries per partition [2000]");
  verb->add_option("--max-retries", given->max_retries, "then to the dead letters [3]");
  add_duration_ms(verb, "--retry-base", &given->retry_base_ms, "first delay [1m]");
  verb->add_option("--retry-factor", given->retry_factor, "of each further delay [2]");
  add_duration_ms(verb, "--retry-cap", &given->retry_cap_ms, "longest delay [1d]");
  verb->add_option("--retry-jitter", given->retry_jitter, "0 to 1: spread of the delays [0.1]");
  verb->add_option("--retry-delays", given->retry_delays, "explicit delays, e.g. 1s,10s,1m")
      ->delimiter(',');
  verb->add_option("--keep-attempts", given->keep_attempts,
                   "failed or all: explain tells of acked ones, too [failed]");
  add_duration_ms(verb, "--cooldown", &given->cooldown_ms, "first pause in quarantine [30s]");
  verb->add_option("--dlq-entries", given->dlq_entries, "quota of dead letters [10000]");
  add_size(verb, "--dlq-bytes", &given->dlq_bytes, "quota of dead letters [1GiB]");
  verb->add_option("--dlq-overflow", given->dlq_overflow, "block or drop_oldest [block]");
}

class GroupVerbs {
 public:
  GroupVerbs(CLI::App* groups, Invocation* invocation)
      : arguments(std::make_shared<GroupArguments>()), groups_(groups), invocation_(invocation) {}

  CLI::App* add(const char* name, const char* help, bool named,
                int (*function)(const ConnectArguments&, const GroupArguments&)) {
    CLI::App* sub = groups_->add_subcommand(name, help);
    if (named) sub->add_option("group", arguments->group, "name of the group")->required();
    sub->callback([invocation = invocation_, given = arguments, function] {
      invocation->action = [invocation, given, function] {
        return function(invocation->connect, *given);
      };
    });
    return sub;
  }

  const std::shared_ptr<GroupArguments> arguments;

 private:
  CLI::App* const groups_;
  Invocation* const invocation_;
};

void add_groups(CLI::App& app, Invocation* invocation) {
  CLI::App* groups = app.add_subcommand("groups", "consumer groups");
  groups->require_subcommand(1);
  GroupVerbs verbs(groups, invocation);
  GroupArguments* given = verbs.arguments.get();
  CLI::App* make = verbs.add("create", "create an acked group", true, create_group);
  make->add_option("--topic", given->topic, "topic of the group")->required();
  make->add_option("--from", given->options.from,
                   "earliest, latest, OFFSET or TIME; latest is fixed now [latest]");
  make->add_flag("--if-missing", given->if_missing, "an equal group that exists is a success");
  CLI::App* change =
      verbs.add("update", "change the given options of an acked group", true, update_group);
  change->add_flag("--no-filter", given->options.no_filters, "every event again");
  change->add_flag("--no-where", given->options.no_conditions, "no conditions");
  for (CLI::App* verb : {make, change}) {
    add_matching_flags(verb, &given->options);
    add_failure_flags(verb, &given->options);
  }
  change->parse_complete_callback([change] {
    for (const CLI::Option* option : change->get_options()) {
      const bool is_flag = !option->get_lnames().empty();
      if (is_flag && option->count() > 0) return;
    }
    throw CLI::ValidationError("groups update", "nothing to change: give at least one option");
  });
  verbs.add("ls", "list the groups", false, list_groups)
      ->add_flag("--unhealthy", given->unhealthy, "only those that are not healthy");
  verbs.add("describe", "one group with its partitions and members", true, describe_group);
  verbs
      .add("delete", "delete a group with its state; a terminal is asked first", true, delete_group)
      ->add_flag("--yes", given->yes, "without asking");
  verbs.add("enable", "deliver again (--reason says why)", true, enable_group);
  verbs.add("disable", "deliver nothing (--reason says why)", true, disable_group);
  verbs.add("probe", "try one event now (--reason says why)", true, probe_group);
}

void add_subscribe(CLI::App& app, Invocation* invocation) {
  CLI::App* verb = app.add_subcommand("subscribe", "take an acked group's events and ack them");
  auto given = std::make_shared<SubscribeArguments>();
  verb->add_option("group", given->group, "name of the group")->required();
  verb->add_option("--count", given->count, "end after so many confirmed outcomes")
      ->check(positive());
  add_duration_ms(verb, "--wait", &given->wait_ms, "end after so long without an event");
  verb->add_option("--window", given->window_events,
                   "deliveries taken before their outcomes [500; with --exec 1]");
  verb->add_option("--exec", given->command,
                   "run by /bin/sh -c for each event, its data on standard input: exit 0 acks, "
                   "anything else nacks with its standard error");
  verb->callback([invocation, given] {
    invocation->action = [invocation, given] { return subscribe(invocation->connect, *given); };
  });
}

void add_dead_letters(CLI::App& app, Invocation* invocation) {
  CLI::App* dlq = app.add_subcommand("dlq", "dead letters of acked groups");
  dlq->require_subcommand(1);
  auto given = std::make_shared<DeadLetterArguments>();
  auto run = [&](CLI::App* verb,
                 int (*function)(const ConnectArguments&, const DeadLetterArguments&)) {
    verb->callback([invocation, given, function] {
      invocation->action = [invocation, given, function] {
        return function(invocation->connect, *given);
      };
    });
  };
  CLI::App* list = dlq->add_subcommand("ls", "list a group's dead letters, oldest first");
  list->add_option("group", given->group, "name of the group")->required();
  list->add_option("--count", given->count, "at most so many")->check(positive());
  run(list, list_dead_letters);
  CLI::App* get = dlq->add_subcommand("get", "one dead letter");
  get->add_option("id", given->id, "GROUP@NUMBER, as `dlq ls` shows it")->required();
  run(get, get_dead_letter);
  CLI::App* some = dlq->add_subcommand("delete", "delete dead letters by their ids");
  some->add_option("group", given->group, "name of the group")->required();
  some->add_option("ids", given->ids, "GROUP@NUMBER, as `dlq ls` shows them")->required();
  run(some, delete_dead_letters);
  CLI::App* purge = dlq->add_subcommand(
      "purge", "delete what matches: says how many that are, and deletes with --yes or --token");
  purge->add_option("group", given->group, "name of the group")->required();
  auto* all = purge->add_flag("--all", given->all, "every dead letter of the group");
  purge->add_flag("--yes", given->yes, "count and delete at once");
  purge->add_option("--token", given->token, "delete what was counted: as the count said");
  for (CLI::App* verb : {list, purge}) {
    auto* where = verb->add_option("--where", given->conditions,
                                   "condition on attributes, headers and reason, e.g. 'reason == "
                                   "timeout'; may be repeated: all of them")
                      ->expected(1)
                      ->take_all();
    auto* reason = verb->add_option("--reason", given->reason, "why it is dead")
                       ->check(CLI::IsMember(dead_letter_reasons()));
    if (verb == purge) all->excludes(where)->excludes(reason);
  }
  run(purge, purge_dead_letters);
  add_redrive(dlq, invocation);
}

}  // namespace

void add_group_verbs(CLI::App& app, Invocation* invocation) {
  add_groups(app, invocation);
  add_subscribe(app, invocation);
  add_dead_letters(app, invocation);
  add_replay(app, invocation);
}

}  // namespace headrace::cli
