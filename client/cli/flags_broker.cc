// `serve`, `config` and `bench`: the arguments only; what they mean is the broker's and the load
// generator's.
#include <memory>

#include "client/cli/flags.h"
#include "client/names.h"

namespace headrace::cli {

namespace {

void add_serve_flags(CLI::App* verb, ServeArguments* arguments) {
  verb->add_option("--data", arguments->data, "data directory; made if it is missing");
  verb->add_option("--listen", arguments->listen, "HOST:PORT for clients; port 0 picks one");
  verb->add_option("--http-listen", arguments->http_listen, "HOST:PORT for HTTP; port 0 picks one");
  verb->add_option("--config", arguments->config_file, "TOML file");
  verb->add_option("--reactors", arguments->reactors, "reactor threads [cores - 1]");
  verb->add_option_function<std::vector<std::string>>(
          "--set",
          [arguments](const std::vector<std::string>& pairs) {
            for (const std::string& pair : pairs) {
              const size_t equals = pair.find('=');
              if (equals == std::string::npos || equals == 0) {
                throw CLI::ValidationError("--set", "'" + pair + "' is not KEY=VALUE");
              }
              arguments->set.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
            }
          },
          "KEY=VALUE of the configuration; may be repeated")
      ->expected(1)
      ->take_all();
}

void add_serve_verb(CLI::App& app, Invocation* invocation, const char* name, const char* help,
                    const ServeFunction& function) {
  CLI::App* verb = app.add_subcommand(name, help);
  auto arguments = std::make_shared<ServeArguments>();
  add_serve_flags(verb, arguments.get());
  verb->callback([invocation, arguments, function] {
    invocation->action = [invocation, arguments, function] {
      arguments->json = invocation->connect.json;
      return function(*arguments);
    };
  });
}

void add_bench_flags(CLI::App* verb, BenchArguments* given) {
  verb->add_option("--events", given->events, "how many [enough for some seconds]");
  verb->add_option("--size", given->event_bytes, "bytes of data of each event")
      ->check(CLI::Range(0u, 1u << 20))
      ->capture_default_str();
  add_size(verb, "--batch", &given->batch_bytes, "encoded size of a batch [64KiB]");
  verb->add_option("--producers", given->producers, "producers [one per connection]");
  verb->add_option("--connections", given->connections, "connections")
      ->check(CLI::Range(1u, 1'000u))
      ->capture_default_str();
  verb->add_option("--window", given->window_batches, "batches in flight per producer")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  verb->add_option("--partitions", given->partitions, "of the topic [one per connection]");
  verb->add_option("--rate", given->events_per_s,
                   "events a second, scheduled; latency counts from the schedule [no limit]")
      ->check(CLI::NonNegativeNumber);
  verb->add_option_function<std::string>(
      "--durability",
      [given](const std::string& text) {
        const auto durability = client::parse_durability(text);
        if (!durability) {
          throw CLI::ValidationError("--durability", "is memory, written or durable");
        }
        given->durability = static_cast<uint8_t>(*durability);
      },
      "memory, written or durable [durable]");
  verb->add_flag("--cold", given->cold, "consume: from the start of the log, not its hot tail");
  verb->add_flag("--keep", given->keep, "leave the topic in place");
  verb->add_option("--groups", given->groups,
                   "publish: also beside the members of so many groups that want none of it")
      ->check(CLI::Range(0u, 1'000u));
  verb->add_option("--one-in", given->one_in,
                   "ack: types mixed at random, of so many the group wants one; beside all of them")
      ->check(CLI::Range(1u, 100'000u));
  verb->add_option("--weight", given->weight, "flood: of the tenant that does not flood")
      ->check(CLI::Range(1u, 1'000u))
      ->capture_default_str();
  verb->add_flag("--live", given->live,
                 "ack: while publishing at --rate; also beside --groups that never answer");
  verb->add_flag("--flooding", given->flooding,
                 "ack: those --groups take events and ask for more time as fast as they can");
  add_duration_ms(verb, "--park", &given->park_ms,
                  "ack: fail every event first, at --rate, to come again after so long");
  verb->add_flag("--ceiling", given->ceiling, "also measure the storage engine alone");
  verb->add_option("--dir", given->ceiling_directory,
                   "where the ceiling writes: the broker's file system [the current directory]");
}

void add_bench_verb(CLI::App& app, Invocation* invocation, const Verbs& verbs) {
  CLI::App* bench = app.add_subcommand("bench", "load on a topic of its own; the result is a line");
  bench->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, BenchArguments::Load load) {
    CLI::App* sub = bench->add_subcommand(name, help);
    auto given = std::make_shared<BenchArguments>();
    given->load = load;
    add_bench_flags(sub, given.get());
    sub->callback([invocation, given, function = verbs.bench] {
      invocation->action = [invocation, given, function] {
        given->connect = invocation->connect;
        return function(*given);
      };
    });
  };
  verb("publish", "batches from several connections", BenchArguments::Load::publish);
  verb("consume", "read what was published", BenchArguments::Load::consume);
  verb("ack", "deliveries to an acked group, and their acks", BenchArguments::Load::ack);
  verb("latency", "one event at a time on one connection", BenchArguments::Load::latency);
  verb("flood", "one tenant at 5 % load or --rate, alone and beside one that floods",
       BenchArguments::Load::flood);
  verb("schemas", "a tenant without schemas, and one with 1,000 types that have some",
       BenchArguments::Load::schemas);
}

}  // namespace

void add_broker_verbs(CLI::App& app, Invocation* invocation, const Verbs& verbs) {
  add_serve_verb(app, invocation, "serve", "run the broker", verbs.serve);
  add_serve_verb(app, invocation, "config", "print the effective configuration", verbs.config);
  add_bench_verb(app, invocation, verbs);
}

}  // namespace headrace::cli
