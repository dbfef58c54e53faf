#include "bench/schema_cost.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <vector>

#include "bench/batch_pool.h"
#include "bench/load.h"
#include "client/access.h"
#include "client/admin.h"
#include "client/cli/connect.h"
#include "client/cli/session.h"
#include "client/schemas.h"

namespace headrace::bench {
namespace {

using client::Error;

constexpr const char* kSchemaReason = "headrace bench schemas";
constexpr uint32_t kTypes = 1'000;  // with a schema: as many as a tenant may have
constexpr size_t kSchemaRounds = 9;
constexpr size_t kValidatedRounds = 3;
constexpr uint64_t kRoundBytes = 128u << 20;
constexpr const char* kSchema =
    R"({"type": "object", "required": ["number", "text"], "additionalProperties": false,)"
    R"( "properties": {"number": {"type": "integer", "minimum": 0}, "text": {"type": "string"}}})";

double middle_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

class SchemaCost {
 public:
  SchemaCost(const cli::BenchArguments& arguments, Report* report)
      : arguments_(arguments), report_(*report) {}

  Error run();

 private:
  enum Kind : size_t { without, beside, validated, kKinds };
  struct Figures {
    std::vector<double> events_per_s;
    std::vector<double> cpu_us;  // of the broker, an event
  };

  Error set_up();
  Error make(const std::string& name, LoadPlan* plan, std::unique_ptr<client::Client>* inside);
  Error measure();
  Error measure(Kind kind);
  double broker_cpu_s() const;
  void tell();
  void tear_down();

  const cli::BenchArguments& arguments_;
  Report& report_;
  std::unique_ptr<client::Client> client_;
  std::vector<std::string> tenants_;
  std::array<LoadPlan, kKinds> plans_;
  std::array<Figures, kKinds> figures_;
};

Error SchemaCost::make(const std::string& name, LoadPlan* plan,
                       std::unique_ptr<client::Client>* inside) {
  proto::CreateTenant tenant;
  tenant.set_name(name);
  const auto made = client::create_tenant(*client_, tenant);
  if (!made.ok()) return made.error;
  tenants_.push_back(name);
  cli::ConnectArguments connect = arguments_.connect;
  connect.as_tenant = name;
  connect.reason = kSchemaReason;
  auto connected = cli::make_client(connect);
  if (!connected.ok()) return connected.error;
  *inside = std::move(connected.value);
  plan->connect = (*inside)->options();
  plan->topic = "load";
  plan->event_bytes = arguments_.event_bytes;
  plan->batch_bytes = arguments_.batch_bytes;
  plan->durability = static_cast<Durability>(arguments_.durability);
  plan->connections = arguments_.connections;
  plan->slots = arguments_.window_batches;
  plan->partitions = arguments_.partitions > 0 ? arguments_.partitions : arguments_.connections;
  plan->json_type = kEventType;
  const BatchPool sample(1, plan->event_bytes, plan->batch_bytes, 1, 1, plan->json_type);
  plan->events = arguments_.events > 0
                     ? arguments_.events
                     : kRoundBytes / plan->batch_bytes * sample.events_per_batch();
  proto::CreateTopic topic;
  topic.set_name(plan->topic);
  topic.set_partitions(plan->partitions);
  return client::create_topic(**inside, topic).error;
}

Error SchemaCost::set_up() {
  auto made = cli::make_client(arguments_.connect);
  if (!made.ok()) return made.error;
  client_ = std::move(made.value);
  std::random_device random;
  char name[32];
  std::snprintf(name, sizeof(name), "bench-%08x", random());
  std::unique_ptr<client::Client> inside;
  if (Error error = make(std::string(name) + "-none", &plans_[without], &inside)) return error;
  if (Error error = make(std::string(name) + "-schemas", &plans_[beside], &inside)) return error;
  plans_[validated] = plans_[beside];
  plans_[validated].json_type = event_type(0);
  std::fprintf(stderr, "registering %u schemas\n", kTypes);
  for (uint32_t i = 0; i < kTypes; ++i) {
    proto::RegisterSchema request;
    request.set_type(event_type(i));
    request.set_mode("enforce");
    const auto registered = client::register_schema(*inside, request, kSchema);
    if (!registered.ok()) return registered.error;
  }
  return {};
}

// 0 if nobody tells: then it is left out.
double SchemaCost::broker_cpu_s() const {
  const auto page = cli::call_http(arguments_.connect, {.path = "/metrics"}, 10'000);
  if (!page.ok()) return 0;
  const std::string name = "\nprocess_cpu_seconds_total ";
  const size_t at = page->body.find(name);
  return at == page->body.npos ? 0 : std::strtod(page->body.c_str() + at + name.size(), nullptr);
}

Error SchemaCost::measure(Kind kind) {
  const double before_s = broker_cpu_s();
  const LoadResult result = publish_load(plans_[kind]);
  if (result.error) return result.error;
  const double spent_us = (broker_cpu_s() - before_s) * 1e6;
  figures_[kind].events_per_s.push_back(result.events_per_s());
  figures_[kind].cpu_us.push_back(spent_us / static_cast<double>(result.events));
  return {};
}

// What comes first changes with every round: a load also pays for what the one before left to
// flush.
Error SchemaCost::measure() {
  for (size_t round = 0; round < kSchemaRounds; ++round) {
    std::fprintf(stderr, "publishing without schemas, and beside them\n");
    const bool swapped = round % 2 == 1;
    if (Error error = measure(swapped ? beside : without)) return error;
    if (Error error = measure(swapped ? without : beside)) return error;
  }
  for (size_t round = 0; round < kValidatedRounds; ++round) {
    std::fprintf(stderr, "publishing with a schema\n");
    if (Error error = measure(validated)) return error;
  }
  return {};
}

void SchemaCost::tell() {
  static constexpr const char* kNames[kKinds] = {"without", "beside", "validated"};
  report_.real("schemas", kTypes, 0);
  report_.real("rounds", kSchemaRounds, 0);
  const auto ratio = [&](auto of) {
    std::vector<double> ratios;
    for (size_t i = 0; i < kSchemaRounds; ++i) {
      ratios.push_back((figures_[beside].*of)[i] / (figures_[without].*of)[i]);
    }
    return middle_of(ratios);
  };
  for (const Kind kind : {without, beside, validated}) {
    const std::string name = kNames[kind];
    report_.real("events_per_s_" + name, middle_of(figures_[kind].events_per_s), 0);
    report_.real("broker_cpu_us_per_event_" + name, middle_of(figures_[kind].cpu_us), 3);
  }
  report_.real("ratio_beside", ratio(&Figures::events_per_s), 3);
  report_.real("ratio_cpu_beside", ratio(&Figures::cpu_us), 3);
}

void SchemaCost::tear_down() {
  if (arguments_.keep) return;
  for (const std::string& tenant : tenants_) {
    const auto gone = client::delete_tenant(*client_, tenant, kSchemaReason);
    if (!gone.ok()) cli::report(gone.error);
  }
}

Error SchemaCost::run() {
  Error error = set_up();
  if (!error) error = measure();
  if (!error) tell();
  tear_down();
  return error;
}

}  // namespace

Error schema_cost(const cli::BenchArguments& arguments, Report* report) {
  return SchemaCost(arguments, report).run();
}

}  // namespace headrace::bench
