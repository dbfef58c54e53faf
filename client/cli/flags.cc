#include "client/cli/flags.h"

#include <memory>

#include "client/cli/verbs.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

// Value is a number, or an optional one that stays unset unless the flag is given.
template <class Value>
CLI::Option* add_duration(CLI::App* app, const std::string& flags, Value* milliseconds,
                          const std::string& help) {
  return app->add_option_function<std::string>(
      flags,
      [flags, milliseconds](const std::string& text) {
        const std::optional<int64_t> duration_us = parse_duration_us(text);
        if (!duration_us) {
          throw CLI::ValidationError(flags,
                                     "'" + text + "' is not " + std::string(kDurationExample));
        }
        *milliseconds = (*duration_us + 999) / 1000;
      },
      help);
}

template <class Value>
CLI::Option* add_bytes(CLI::App* app, const std::string& flags, Value* bytes,
                       const std::string& help) {
  return app->add_option_function<std::string>(
      flags,
      [flags, bytes](const std::string& text) {
        const std::optional<int64_t> size = parse_size(text);
        if (!size) {
          throw CLI::ValidationError(flags, "'" + text + "' is not " + std::string(kSizeExample));
        }
        *bytes = static_cast<uint64_t>(*size);
      },
      help);
}

}  // namespace

CLI::Validator positive() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0;
        const bool fits = CLI::detail::lexical_cast(text, value) && value > 0;
        return fits ? std::string() : "'" + text + "' is not a number above 0";
      },
      "POSITIVE");
}

CLI::Option* add_duration_ms(CLI::App* app, const std::string& flags, int64_t* milliseconds,
                             const std::string& help) {
  return add_duration(app, flags, milliseconds, help);
}

CLI::Option* add_duration_ms(CLI::App* app, const std::string& flags,
                             std::optional<int64_t>* milliseconds, const std::string& help) {
  return add_duration(app, flags, milliseconds, help);
}

CLI::Option* add_size(CLI::App* app, const std::string& flags, uint64_t* bytes,
                      const std::string& help) {
  return add_bytes(app, flags, bytes, help);
}

CLI::Option* add_size(CLI::App* app, const std::string& flags, std::optional<uint64_t>* bytes,
                      const std::string& help) {
  return add_bytes(app, flags, bytes, help);
}

namespace {

void add_topics(CLI::App& app, Invocation* invocation) {
  CLI::App* topics = app.add_subcommand("topics", "create, list, describe and delete topics");
  topics->require_subcommand(1);
  auto arguments = std::make_shared<TopicArguments>();
  const auto verb = [&](const char* name, const char* help, bool named, auto function) {
    CLI::App* sub = topics->add_subcommand(name, help);
    if (named) sub->add_option("topic", arguments->topic, "name of the topic")->required();
    sub->callback([invocation, arguments, function] {
      invocation->action = [invocation, arguments, function] {
        return function(invocation->connect, *arguments);
      };
    });
    return sub;
  };
  CLI::App* make = verb("create", "create a topic", true, create_topic);
  make->add_option("--partitions", arguments->partitions,
                   "ordering lanes, 1 to 1024 [1, unless the broker says else]")
      ->check(CLI::Range(1u, 1024u));
  make->add_option("--retention", arguments->retention,
                   "limits, comma-separated: 7d 10GiB 1000events 3months none");
  add_duration_ms(make, "--dedup-window", &arguments->dedup_window_ms,
                  "do not append an event id again within this time [off, with the next: 2m]");
  make->add_option(
      "--dedup-max-ids", arguments->dedup_max_ids,
      "ids remembered for it per partition, 1 or more [off, with the one before: 100000]");
  make->add_flag("--if-missing", arguments->if_missing, "an equal topic that exists is a success");
  verb("ls", "list the topics", false, list_topics);
  verb("describe", "one topic with its partitions", true, describe_topic);
  verb("delete", "delete a topic with all its events; a terminal is asked first", true,
       delete_topic)
      ->add_flag("--yes", arguments->yes, "without asking");
  verb("delayed", "the topic's events that are not due yet", true, list_delayed);
  verb("cancel-delayed", "take a delayed event back before it is due", true, cancel_delayed)
      ->add_option("id", arguments->id, "its id, as publish and delayed print it")
      ->required();
}

void add_publish(CLI::App& app, Invocation* invocation) {
  CLI::App* verb = app.add_subcommand(
      "publish", "publish --data, or an event a line from standard input; a line per acked event");
  auto given = std::make_shared<PublishArguments>();
  verb->add_option("topic", given->topic, "topic")->required();
  verb->add_option("--type", given->type, "CloudEvents type, e.g. order.item.created");
  verb->add_option("--source", given->source, "CloudEvents source");
  verb->add_option("--key", given->key, "events of one key keep their order");
  verb->add_option("--header", given->headers, "NAME=VALUE; may be repeated")
      ->expected(1)
      ->take_all();
  verb->add_option("--id", given->id, "CloudEvents id [computed]");
  verb->add_option("--content-type", given->content_type, "of the data");
  verb->add_option("--correlation-id", given->correlation_id, "CloudEvents correlation id");
  verb->add_option("--partition", given->partition, "partition [by key, else in turn]");
  verb->add_option("--data", given->data, "the event's data");
  verb->add_flag("--cloudevents", given->cloud_events, "lines are CloudEvents 1.0 in JSON");
  verb->add_option("--durability", given->durability, "memory, written or durable")
      ->check(CLI::IsMember({"memory", "written", "durable"}))
      ->capture_default_str();
  verb->add_option("--codec", given->codec, "compress batches of lines")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}))
      ->capture_default_str();
  add_size(verb, "--batch", &given->batch_bytes, "size of a batch of lines [64KiB]");
  add_duration_ms(verb, "--linger", &given->linger_ms,
                  "longest wait of a line for its batch [5ms]");
  CLI::Option* delay =
      add_duration_ms(verb, "--delay", &given->delay_ms, "append so much later; at most 31d");
  verb->add_option("--deliver-at", given->deliver_at, "TIME: append then; at most 31d from now")
      ->excludes(delay);
  verb->callback([invocation, given] {
    invocation->action = [invocation, given] { return publish(invocation->connect, *given); };
  });
}

void add_consume(CLI::App& app, Invocation* invocation) {
  CLI::App* verb = app.add_subcommand("consume", "read a topic's events, a line each");
  auto given = std::make_shared<ConsumeArguments>();
  verb->add_option("topic", given->topic, "topic")->required();
  verb->add_option("--group", given->group, "share the partitions and commit offsets");
  verb->add_option("--from", given->from,
                   "earliest, latest, OFFSET or TIME; of a group: where it has no commit")
      ->capture_default_str();
  verb->add_option("--count", given->count, "end after so many events")->check(positive());
  add_duration_ms(verb, "--wait", &given->wait_ms, "end after so long without an event");
  verb->add_flag("--push", given->push, "let the broker push against credit instead of fetching");
  verb->callback([invocation, given] {
    invocation->action = [invocation, given] { return consume(invocation->connect, *given); };
  });
}

void add_smoke(CLI::App& app, Invocation* invocation) {
  app.add_subcommand("smoke", "publish, consume, compare and commit on a topic of its own")
      ->callback([invocation] {
        invocation->action = [invocation] { return smoke(invocation->connect); };
      });
}

void add_doctor(CLI::App& app, Invocation* invocation, const ExamineFunction& examine) {
  CLI::App* verb = app.add_subcommand("doctor", "check a broker's invariants");
  auto data = std::make_shared<std::string>();
  verb->add_option("--data", *data, "a data directory that no broker serves; nothing is changed");
  verb->callback([invocation, data, examine] {
    invocation->action = [invocation, data, examine] {
      if (data->empty()) return doctor(invocation->connect);
      return doctor_offline(examine(*data), invocation->connect.json);
    };
  });
}

void add_backup(CLI::App& app, Invocation* invocation, const RestoreFunction& restore) {
  CLI::App* make = app.add_subcommand("backup", "back up the whole broker while it serves");
  auto only_list = std::make_shared<bool>(false);
  make->add_flag("--list", *only_list, "what there is, and make none");
  make->callback([invocation, only_list] {
    invocation->action = [invocation, only_list] {
      return *only_list ? list_backups(invocation->connect) : back_up(invocation->connect);
    };
  });
  CLI::App* back = app.add_subcommand("restore", "check a backup and make a data directory of it");
  auto given = std::make_shared<RestoreArguments>();
  back->add_option("--from", given->from, "the directory of backups")->required();
  back->add_option("--id", given->id, "which one [the newest]")->check(positive());
  auto* data = back->add_option("--data", given->data, "the new data directory");
  auto* tenant = back->add_option("--tenant", given->tenant,
                                  "only this one, into --data of a stopped broker that has others");
  tenant->needs(data);
  back->add_flag("--replace", given->replace, "in the place of all that the tenant has now")
      ->needs(tenant);
  auto only_check = std::make_shared<bool>(false);
  back->add_flag("--check", *only_check, "only check every file of it")->excludes(data);
  back->callback([invocation, given, only_check, restore] {
    if (given->data.empty() && !*only_check) throw CLI::RequiredError("--data or --check");
    invocation->action = [invocation, given, restore] {
      given->json = invocation->connect.json;
      given->reason = invocation->connect.reason;
      return restore(*given);
    };
  });
}

}  // namespace

void add_verbs(CLI::App& app, Invocation* invocation, const Verbs& verbs) {
  add_broker_verbs(app, invocation, verbs);
  add_topics(app, invocation);
  add_publish(app, invocation);
  add_consume(app, invocation);
  add_event_verbs(app, invocation);
  add_access_verbs(app, invocation);
  add_schema_verbs(app, invocation);
  add_month_verbs(app, invocation);
  add_group_verbs(app, invocation);
  add_smoke(app, invocation);
  add_doctor(app, invocation, verbs.examine);
  add_backup(app, invocation, verbs.restore);
  app.add_subcommand("reload", "read the configuration again: what may change while it serves")
      ->callback([invocation] {
        invocation->action = [invocation] { return reload(invocation->connect); };
      });
  CLI::App* level = app.add_subcommand("log-level", "what the broker logs from now on");
  auto given = std::make_shared<std::string>();
  level->add_option("level", *given, "debug, info, warn, error or fatal")->required();
  level->callback([invocation, given] {
    invocation->action = [invocation, given] { return set_log_level(invocation->connect, *given); };
  });
  app.add_subcommand("version", "print the version")->callback([invocation] {
    invocation->action = [invocation] { return version(invocation->connect); };
  });
}

}  // namespace headrace::cli
