// `replay`, and `dlq redrive`.
#include <charconv>
#include <memory>

#include "client/cli/flags.h"
#include "client/cli/verbs.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

CLI::Option* add_time(CLI::App* verb, const std::string& flag, std::optional<int64_t>* time_us,
                      const std::string& help) {
  return verb->add_option_function<std::string>(
      flag,
      [flag, time_us](const std::string& text) {
        const auto parsed = parse_time_us(text);
        if (!parsed) throw CLI::ValidationError(flag, "'" + text + "' is no RFC 3339 time");
        *time_us = *parsed;
      },
      help);
}

template <class Number>
bool take_number(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// [P:]A-B
bool parse_offsets(std::string_view text, ReplayArguments* given) {
  if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (!take_number(text.substr(0, colon), &given->partition.emplace())) return false;
    text.remove_prefix(colon + 1);
  }
  const size_t dash = text.find('-', 1);
  if (dash == std::string_view::npos) return false;
  return take_number(text.substr(0, dash), &given->from_offset.emplace()) &&
         take_number(text.substr(dash + 1), &given->to_offset.emplace());
}

void add_start(CLI::App* replay, Invocation* invocation) {
  CLI::App* verb = replay->add_subcommand("start", "deliver a part of the log to a group again");
  auto given = std::make_shared<ReplayArguments>();
  verb->add_option("--group", given->group, "the acked group that gets it")->required();
  CLI::Option* from = add_time(verb, "--from", &given->from_us, "appended at or after TIME");
  add_time(verb, "--to", &given->to_us, "appended before TIME [what is visible now]")->needs(from);
  CLI::Option* offsets = verb->add_option_function<std::string>(
      "--offsets",
      [given = given.get()](const std::string& text) {
        if (parse_offsets(text, given)) return;
        throw CLI::ValidationError("--offsets", "'" + text + "' is not [PARTITION:]FIRST-LAST");
      },
      "[PARTITION:]FIRST-LAST, inclusive");
  offsets->excludes(from);
  verb->add_option("--filter", given->filters, "type pattern; may be repeated: any of them")
      ->expected(1)
      ->take_all();
  verb->add_option("--where", given->conditions, "condition; may be repeated: all of them")
      ->expected(1)
      ->take_all();
  verb->add_option("--rate", given->rate, "events a second [no limit]");
  verb->add_flag("--dry-run", given->dry_run, "count only");
  verb->callback([invocation, given, from, offsets] {
    if (from->count() + offsets->count() == 0) {
      throw CLI::RequiredError("--from or --offsets");
    }
    invocation->action = [invocation, given] { return start_replay(invocation->connect, *given); };
  });
}

}  // namespace

void add_replay(CLI::App& app, Invocation* invocation) {
  CLI::App* replay = app.add_subcommand("replay", "replay and redrive jobs of acked groups");
  replay->require_subcommand(1);
  add_start(replay, invocation);
  auto given = std::make_shared<JobArguments>();
  CLI::App* list = replay->add_subcommand("ls", "list jobs, newest first");
  list->add_option("--group", given->group, "of this group only");
  list->callback([invocation, given] {
    invocation->action = [invocation, given] { return list_jobs(invocation->connect, *given); };
  });
  CLI::App* status = replay->add_subcommand("status", "one job");
  status->add_option("job", given->job, "GROUP/NUMBER, as `replay ls` shows it")->required();
  status->callback([invocation, given] {
    invocation->action = [invocation, given] { return show_job(invocation->connect, *given); };
  });
  const std::pair<const char*, const char*> kActions[] = {
      {"pause", "deliver nothing more of a job for now"},
      {"resume", "go on with a paused job"},
      {"cancel", "end a job; dead letters that were not settled are dead again"}};
  for (const auto& [action, help] : kActions) {
    CLI::App* verb = replay->add_subcommand(action, help);
    verb->add_option("job", given->job, "GROUP/NUMBER, as `replay ls` shows it")->required();
    verb->callback([invocation, given, name = std::string(action)] {
      given->action = name;
      invocation->action = [invocation, given] { return control_job(invocation->connect, *given); };
    });
  }
}

void add_redrive(CLI::App* dlq, Invocation* invocation) {
  CLI::App* verb = dlq->add_subcommand("redrive", "give dead letters back to their group");
  auto given = std::make_shared<RedriveArguments>();
  verb->add_option("group", given->group, "name of the group")->required();
  CLI::Option* ids = verb->add_option("--id", given->ids, "GROUP@NUMBER; may be repeated")
                         ->expected(1)
                         ->take_all();
  CLI::Option* where =
      verb->add_option(
              "--where", given->conditions,
              "condition on attributes, headers and `reason`; may be repeated: all of them")
          ->expected(1)
          ->take_all();
  CLI::Option* all = verb->add_flag("--all", given->all, "all that are not redriven yet");
  ids->excludes(where)->excludes(all);
  where->excludes(all);
  verb->add_option("--rate", given->rate, "events a second [no limit]");
  verb->add_flag("--dry-run", given->dry_run, "count only");
  verb->callback([invocation, given, ids, where, all] {
    if (ids->count() + where->count() + all->count() == 0) {
      throw CLI::RequiredError("--id, --where or --all");
    }
    invocation->action = [invocation, given] { return redrive(invocation->connect, *given); };
  });
}

}  // namespace headrace::cli
