#include "bench/flood.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "bench/batch_pool.h"
#include "bench/load.h"
#include "client/access.h"
#include "client/admin.h"
#include "client/cli/session.h"

namespace headrace::bench {
namespace {

using client::Error;

constexpr const char* kReason = "headrace bench flood";
constexpr double kVictimShare = 0.05;  // of what the broker takes from one tenant alone
constexpr double kRoundSeconds = 4;    // of the victim, alone and again beside the flood
constexpr uint32_t kVictimConnections = 2;
constexpr double kUnderWaySeconds = 1;  // of the flood, before the victim counts
constexpr int kFloodRounds = 5;

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double p99_us(const metrics::HistogramSnapshot& latency) {
  return static_cast<double>(latency.quantile_us(0.99));
}

class Flood {
 public:
  Flood(const cli::BenchArguments& arguments, Report* report)
      : arguments_(arguments), report_(*report) {}

  Error run();

 private:
  struct Side {
    std::string tenant;
    LoadPlan plan;
  };

  Error set_up();
  Error set_up(const std::string& name, Side* side);
  void tear_down();
  Error measure();
  client::Result<LoadResult> victim(double seconds) const;
  client::Result<LoadResult> beside_flood(double* flood_mb_per_s) const;

  const cli::BenchArguments& arguments_;
  Report& report_;
  std::unique_ptr<client::Client> client_;
  Side victim_;
  Side flood_;
  double rate_ = 0;  // of the victim, events a second
};

Error Flood::set_up(const std::string& name, Side* side) {
  proto::CreateTenant tenant;
  tenant.set_name(name);
  const auto made = client::create_tenant(*client_, tenant);
  if (!made.ok()) return made.error;
  side->tenant = name;
  cli::ConnectArguments connect = arguments_.connect;
  connect.as_tenant = name;
  connect.reason = kReason;
  auto inside = cli::make_client(connect);
  if (!inside.ok()) return inside.error;
  LoadPlan& plan = side->plan;
  plan.connect = inside.value->options();
  plan.topic = "load";
  plan.event_bytes = arguments_.event_bytes;
  plan.batch_bytes = arguments_.batch_bytes;
  plan.durability = static_cast<Durability>(arguments_.durability);
  plan.refusals_are_fine = true;
  plan.connections = arguments_.connections;
  plan.slots = arguments_.window_batches;
  plan.partitions = arguments_.partitions > 0 ? arguments_.partitions : arguments_.connections;
  proto::CreateTopic topic;
  topic.set_name(plan.topic);
  topic.set_partitions(plan.partitions);
  return client::create_topic(*inside.value, topic).error;
}

Error Flood::set_up() {
  auto made = cli::make_client(arguments_.connect);
  if (!made.ok()) return made.error;
  client_ = std::move(made.value);
  std::random_device random;
  char name[32];
  std::snprintf(name, sizeof(name), "bench-%08x", random());
  if (Error error = set_up(std::string(name) + "-victim", &victim_)) return error;
  victim_.plan.connections = std::min(kVictimConnections, victim_.plan.partitions);
  victim_.plan.seed = 2;
  if (Error error = set_up(std::string(name) + "-flood", &flood_)) return error;
  proto::Quotas quotas;
  quotas.set_weight(arguments_.weight);
  return client::set_quotas(*client_, victim_.tenant, quotas, kReason).error;
}

void Flood::tear_down() {
  if (arguments_.keep || client_ == nullptr) return;
  for (const Side* side : {&victim_, &flood_}) {
    if (side->tenant.empty()) continue;
    const auto gone = client::delete_tenant(*client_, side->tenant, kReason);
    if (!gone.ok()) cli::report(gone.error);
  }
}

client::Result<LoadResult> Flood::victim(double seconds) const {
  LoadPlan plan = victim_.plan;
  plan.events_per_s = rate_;
  plan.events = static_cast<uint64_t>(rate_ * seconds);
  LoadResult result = publish_load(plan);
  if (result.error) return result.error;
  return result;
}

client::Result<LoadResult> Flood::beside_flood(double* flood_mb_per_s) const {
  std::atomic<bool> stop{false};
  LoadPlan plan = flood_.plan;
  plan.events = UINT64_MAX / 2;
  plan.stop = &stop;
  LoadResult flooded;
  std::thread generator([&] { flooded = publish_load(plan); });
  std::this_thread::sleep_for(std::chrono::duration<double>(kUnderWaySeconds));
  auto result = victim(kRoundSeconds);
  stop.store(true);
  generator.join();
  if (flooded.error) return flooded.error;
  *flood_mb_per_s = flooded.mb_per_s();
  return result;
}

Error Flood::measure() {
  rate_ = arguments_.events_per_s;
  if (rate_ == 0) {
    std::fprintf(stderr, "what the broker takes from one tenant\n");
    LoadPlan plan = flood_.plan;
    const BatchPool sample(1, plan.event_bytes, plan.batch_bytes, 1);
    plan.events = (512u << 20) / plan.batch_bytes * sample.events_per_batch();
    const LoadResult whole = publish_load(plan);
    if (whole.error) return whole.error;
    rate_ = whole.events_per_s() * kVictimShare;
    report_.real("events_per_s_of_one_tenant", whole.events_per_s(), 0);
  }
  std::vector<double> alone_us, beside_us, ratios, flood_mb_per_s;
  metrics::HistogramSnapshot all_alone, all_beside;
  for (int round = 0; round < kFloodRounds; ++round) {
    std::fprintf(stderr, "one tenant alone, then beside one that floods\n");
    const auto alone = victim(kRoundSeconds);
    if (!alone.ok()) return alone.error;
    double flooded = 0;
    const auto beside = beside_flood(&flooded);
    if (!beside.ok()) return beside.error;
    all_alone.merge(alone->latency);
    all_beside.merge(beside->latency);
    alone_us.push_back(p99_us(alone->latency));
    beside_us.push_back(p99_us(beside->latency));
    ratios.push_back(beside_us.back() / alone_us.back());
    flood_mb_per_s.push_back(flooded);
    std::fprintf(stderr, "p99 %.0f us alone, %.0f us beside %.0f MB/s\n", alone_us.back(),
                 beside_us.back(), flooded);
  }
  report_.real("victim_events_per_s", rate_, 0);
  report_.real("flood_mb_per_s", median_of(flood_mb_per_s), 1);
  report_.real("p50_us_alone", static_cast<double>(all_alone.quantile_us(0.5)), 0);
  report_.real("p50_us_beside", static_cast<double>(all_beside.quantile_us(0.5)), 0);
  report_.real("p99_us_alone", median_of(alone_us), 0);
  report_.real("p99_us_beside", median_of(beside_us), 0);
  report_.real("ratio_p99", median_of(ratios), 3);
  return {};
}

Error Flood::run() {
  Error error = set_up();
  if (!error) error = measure();
  tear_down();
  return error;
}

}  // namespace

Error flood(const cli::BenchArguments& arguments, Report* report) {
  return Flood(arguments, report).run();
}

}  // namespace headrace::bench
