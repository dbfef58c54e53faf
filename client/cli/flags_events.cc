// `events`, `explain`, `types` and `audit`.
#include <memory>

#include "client/cli/flags.h"
#include "client/cli/verbs.h"

namespace headrace::cli {

namespace {

void add_audit_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* audit = app.add_subcommand("audit", "who changed what, and what the broker did itself");
  audit->require_subcommand(1);
  auto given = std::make_shared<AuditArguments>();
  CLI::App* list = audit->add_subcommand("ls", "the entries, newest first");
  list->add_option("--from", given->from, "written at this time or later");
  list->add_option("--to", given->to, "written before this time");
  list->add_option("--action", given->action, "only this, such as group.quarantined; or `group.`");
  list->add_option("--object", given->object, "only of this, such as `group mail`");
  list->add_option("--count", given->count, "at most so many [50]")->check(positive());
  list->callback([invocation, given] {
    invocation->action = [invocation, given] { return list_audit(invocation->connect, *given); };
  });
  CLI::App* verify = audit->add_subcommand("verify", "that no entry was changed or left out");
  auto* file = verify->add_option("--export", given->export_file,
                                  "what `audit export` printed once: the trail must still hold it");
  verify->add_flag("--offline", given->offline, "look at the export alone, without a broker")
      ->needs(file);
  verify->callback([invocation, given] {
    invocation->action = [invocation, given] { return verify_audit(invocation->connect, *given); };
  });
  audit
      ->add_subcommand("export",
                       "every entry with its hash, a JSON line each, to be kept elsewhere")
      ->callback([invocation] {
        invocation->action = [invocation] { return export_audit(invocation->connect); };
      });
}

}  // namespace

void add_event_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* events = app.add_subcommand("events", "what is in the log");
  events->require_subcommand(1);
  auto given = std::make_shared<EventsArguments>();
  CLI::App* list = events->add_subcommand("ls", "search the history, newest first");
  list->add_option("--topic", given->topic, "only this topic [all of them]");
  list->add_option("--type", given->types, "type pattern; may be repeated: any of them")
      ->expected(1)
      ->take_all();
  list->add_option("--where", given->conditions,
                   "condition on attributes and headers; may be repeated: all of them")
      ->expected(1)
      ->take_all();
  list->add_option("--id", given->id, "id, as it was published");
  list->add_option("--correlation-id", given->correlation_id,
                   "correlation id, or the id of the first of the correlated events");
  list->add_option("--key", given->key, "ordering key");
  list->add_option("--from", given->from, "appended at this time or later");
  list->add_option("--to", given->to, "appended before this time");
  list->add_option("--group", given->group, "with what this acked group made of them, its topic's");
  list->add_option("--status", given->statuses,
                   "in the group, such as settled, retry or dead; may be repeated: any of them")
      ->expected(1)
      ->take_all();
  list->add_option("--count", given->count, "at most so many [50]")->check(positive());
  list->callback([invocation, given] {
    invocation->action = [invocation, given] { return list_events(invocation->connect, *given); };
  });
  CLI::App* get = events->add_subcommand("get", "one event, whole");
  get->add_option("id", given->id, "its id")->required();
  get->add_option("--topic", given->topic, "only in this topic [all of them]");
  get->add_flag("--attempts", given->attempts,
                "with what every acked group of its topic did, does or will do with it");
  get->callback([invocation, given] {
    invocation->action = [invocation, given] { return get_event(invocation->connect, *given); };
  });
  CLI::App* why = app.add_subcommand("explain", "what a group made of an event, and why");
  why->add_option("id", given->id, "id of the event")->required();
  why->add_option("--group", given->group, "an acked group")->required();
  why->callback([invocation, given] {
    invocation->action = [invocation, given] { return explain(invocation->connect, *given); };
  });
  CLI::App* types = app.add_subcommand("types", "event types");
  types->require_subcommand(1);
  CLI::App* list_of = types->add_subcommand("ls", "what happened to each type in 24 hours");
  list_of->add_option("--topic", given->topic, "only this topic [all of them]");
  list_of->add_option("--from", given->from, "since this time; two days are kept");
  list_of->add_option("--to", given->to, "up to this time");
  list_of->callback([invocation, given] {
    invocation->action = [invocation, given] { return list_types(invocation->connect, *given); };
  });
  add_audit_verbs(app, invocation);
}

}  // namespace headrace::cli
