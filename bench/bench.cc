#include "bench/bench.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "bench/ack_load.h"
#include "bench/batch_pool.h"
#include "bench/bystanders.h"
#include "bench/ceiling.h"
#include "bench/fetch_load.h"
#include "bench/flood.h"
#include "bench/load.h"
#include "bench/report.h"
#include "bench/schema_cost.h"
#include "bench/sink.h"
#include "bench/wire.h"
#include "client/admin.h"
#include "client/cli/connect.h"
#include "client/cli/session.h"
#include "client/names.h"

namespace headrace::bench {

namespace {

using cli::BenchArguments;
using client::Error;

constexpr uint64_t kDefaultBytes = 1u << 30;  // of a load without --events
constexpr uint64_t kHotBytes = 32u << 20;     // what "hot tail" reads: within the broker's cache
constexpr uint32_t kLatencyEvents = 5'000;
constexpr uint32_t kLatencyRounds = 20;
constexpr uint32_t kMachineRounds = 500;
constexpr uint64_t kHotPasses = 32;
constexpr uint64_t kAckPasses = 8;
constexpr uint32_t kAckWindow = 20'000;  // the default of 2,000 is for handlers that take time
constexpr int kRounds = 3;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

class Bench {
 public:
  explicit Bench(const BenchArguments& arguments) : arguments_(arguments) {
    directory_ = arguments.ceiling_directory.empty() ? "." : arguments.ceiling_directory;
  }

  Error run();

 private:
  Error set_up();
  void tear_down();
  LoadPlan load_plan() const;
  uint64_t default_events() const;
  Error publish();
  Error publish_beside_groups();
  Error fill_hot(uint64_t wanted, LoadResult* filled);
  Error consume();
  Error acknowledge();
  Error acknowledge_all(const LoadResult& filled, uint32_t pass, LoadResult* all);
  client::Result<AckPlan> new_group(const std::string& name, const std::string& filter,
                                    bool latest = false);
  Error acknowledge_one_in();
  Error park();
  Error live();
  Error live_round(uint32_t round, metrics::HistogramSnapshot* published,
                   metrics::HistogramSnapshot* handled);
  double resident_mib();
  Error latency();
  CeilingPlan ceiling_plan(const LoadPlan& load) const;
  client::Result<double> ceiling_beside_load(const LoadPlan& load, const LoadResult& reached);
  Error one_at_a_time(metrics::Histogram* histogram, uint32_t count);

  const BenchArguments& arguments_;
  std::string directory_;
  std::unique_ptr<client::Client> client_;
  std::string topic_;
  uint32_t partitions_ = 1;
  bool created_ = false;
  Report report_;
};

void say(const char* what) {
  std::fprintf(stderr, "%s\n", what);
}

Error Bench::set_up() {
  auto made = cli::make_client(arguments_.connect);
  if (!made.ok()) return made.error;
  client_ = std::move(made.value);
  std::random_device random;
  char name[32];
  std::snprintf(name, sizeof(name), "bench-%08x", random());
  topic_ = name;
  partitions_ = arguments_.partitions > 0 ? arguments_.partitions : arguments_.connections;
  if (arguments_.load == BenchArguments::Load::latency) partitions_ = 1;
  proto::CreateTopic request;
  request.set_name(topic_);
  request.set_partitions(partitions_);
  const auto reply = client::create_topic(*client_, request);
  created_ = reply.ok();
  return reply.error;
}

void Bench::tear_down() {
  if (!created_ || arguments_.keep) return;
  const auto deleted = client::delete_topic(*client_, topic_);
  if (!deleted.ok()) cli::report(deleted.error);
}

uint64_t Bench::default_events() const {
  if (arguments_.events > 0) return arguments_.events;
  if (arguments_.events_per_s > 0) return static_cast<uint64_t>(arguments_.events_per_s * 10);
  const BatchPool sample(1, arguments_.event_bytes, arguments_.batch_bytes, 1);
  return kDefaultBytes / arguments_.batch_bytes * sample.events_per_batch();
}

LoadPlan Bench::load_plan() const {
  LoadPlan plan;
  plan.connect = client_->options();
  plan.topic = topic_;
  plan.connections = arguments_.connections;
  const uint32_t producers = std::max(arguments_.producers, arguments_.connections);
  plan.slots = arguments_.window_batches * (producers / arguments_.connections);
  plan.partitions = partitions_;
  plan.event_bytes = arguments_.event_bytes;
  plan.batch_bytes = arguments_.batch_bytes;
  plan.events = default_events();
  plan.events_per_s = arguments_.events_per_s;
  plan.durability = static_cast<Durability>(arguments_.durability);
  plan.types = arguments_.one_in;
  return plan;
}

Error Bench::publish() {
  // Neighbours of the machine use the same disk: with a ceiling, broker and ceiling take turns, so
  // that both see the same minutes, and medians are compared.
  const int rounds = arguments_.ceiling ? kRounds : 1;
  LoadPlan plan = load_plan();
  plan.events /= static_cast<uint64_t>(rounds);
  std::vector<double> broker;
  std::vector<double> beside;
  LoadResult all;
  for (int round = 0; round < rounds; ++round) {
    say("publishing");
    const LoadResult result = publish_load(plan);
    if (result.error) return result.error;
    broker.push_back(result.mb_per_s());
    all.events += result.events;
    all.bytes += result.bytes;
    all.duration_us += result.duration_us;
    all.cpu_us += result.cpu_us;
    all.latency.merge(result.latency);
    if (!arguments_.ceiling) break;
    const auto loaded = ceiling_beside_load(plan, result);
    if (!loaded.ok()) return loaded.error;
    beside.push_back(loaded.value);
  }
  const double events_per_byte = static_cast<double>(all.events) / static_cast<double>(all.bytes);
  report_.real("events", static_cast<double>(all.events), 0);
  report_.real("events_per_s", median(broker) * 1e6 * events_per_byte, 0);
  report_.real("mb_per_s", median(broker), 1);
  report_.latency(all.latency);
  report_.real("load_cpu_s", static_cast<double>(all.cpu_us) / 1e6, 2);
  if (!arguments_.ceiling) return {};
  say("measuring the storage engine alone");
  const CeilingResult alone = measure_ceiling(ceiling_plan(plan));
  if (alone.error) return alone.error;
  report_.real("ceiling_alone_mb_per_s", alone.mb_per_s, 1);
  report_.real("ceiling_mb_per_s", median(beside), 1);
  report_.real("ratio_to_ceiling", median(broker) / median(beside), 3);
  if (median(broker) > median(beside)) {
    say("the broker was faster than the ceiling: something else used the disk, run again");
  }
  return {};
}

// Alone and beside the members of so many groups, in turns.
Error Bench::publish_beside_groups() {
  Bystanders bystanders(client_.get(), topic_, arguments_.groups, Bystanders::Kind::wants_nothing);
  say("making the groups");
  if (Error error = bystanders.declare()) return error;
  LoadPlan plan = load_plan();
  plan.events /= 2 * kRounds;
  std::vector<double> alone;
  std::vector<double> beside;
  metrics::HistogramSnapshot latency;
  for (int round = 0; round < kRounds; ++round) {
    say("publishing alone, then beside the groups");
    LoadResult result = publish_load(plan);
    if (result.error) return result.error;
    alone.push_back(result.events_per_s());
    if (Error error = bystanders.join()) return error;
    result = publish_load(plan);
    bystanders.leave();
    if (result.error) return result.error;
    beside.push_back(result.events_per_s());
    latency.merge(result.latency);
  }
  report_.real("groups", arguments_.groups, 0);
  report_.real("events_per_s_alone", median(alone), 0);
  report_.real("events_per_s", median(beside), 0);
  report_.real("ratio_with_groups", median(beside) / median(alone), 3);
  report_.latency(latency);
  return bystanders.remove();
}

CeilingPlan Bench::ceiling_plan(const LoadPlan& load) const {
  CeilingPlan plan;
  plan.directory = directory_;
  plan.event_bytes = arguments_.event_bytes;
  plan.batch_bytes = arguments_.batch_bytes;
  const BatchPool sample(1, plan.event_bytes, plan.batch_bytes, 1);
  plan.bytes = load.events / sample.events_per_batch() * plan.batch_bytes;
  return plan;
}

// The storage engine while the same load, at the rate that the broker reached, goes into a sink on
// the same cores. In MB/s.
client::Result<double> Bench::ceiling_beside_load(const LoadPlan& load, const LoadResult& reached) {
  say("measuring the storage engine beside the load, which goes into a sink");
  Sink sink;
  std::atomic<bool> stop{false};
  LoadPlan plan = load;
  plan.connect.server = sink.endpoint();
  plan.events_per_s = reached.events_per_s();
  plan.events = UINT64_MAX / 2;
  plan.stop = &stop;
  LoadResult beside;
  std::thread generator([&] { beside = publish_load(plan); });
  const CeilingResult ceiling = measure_ceiling(ceiling_plan(load));
  stop.store(true);
  generator.join();
  if (ceiling.error) return ceiling.error;
  if (beside.error) return beside.error;
  return ceiling.mb_per_s;
}

Error Bench::fill_hot(uint64_t wanted, LoadResult* filled) {
  say("filling");
  LoadPlan fill = load_plan();
  const BatchPool sample(1, fill.event_bytes, fill.batch_bytes, 1);
  fill.events = std::min(wanted, kHotBytes / fill.batch_bytes * sample.events_per_batch());
  fill.events_per_s = 0;
  *filled = publish_load(fill);
  return filled->error;
}

// Hot: fills a little and reads that again and again; cold: fills everything and reads it once.
Error Bench::consume() {
  LoadResult filled;
  const uint64_t wanted = load_plan().events;
  if (arguments_.cold) {
    say("filling");
    filled = publish_load(load_plan());
  }
  if (Error error = arguments_.cold ? filled.error : fill_hot(wanted, &filled)) return error;
  const auto described = client::describe_topic(*client_, topic_);
  if (!described.ok()) return described.error;
  FetchPlan plan;
  plan.connect = client_->options();
  plan.topic = topic_;
  plan.connections = arguments_.connections;
  plan.ranges.resize(partitions_);
  for (const auto& info : described->partitions()) {
    if (info.partition() < partitions_) {
      plan.ranges[info.partition()] = {info.log_start(), info.visible_end()};
    }
  }
  plan.events = arguments_.cold ? filled.events
                                : (arguments_.events > 0 ? wanted : filled.events * kHotPasses);
  say("consuming");
  const LoadResult result = fetch_load(plan);
  if (result.error) return result.error;
  report_.real("events", static_cast<double>(result.events), 0);
  report_.real("events_per_s", result.events_per_s(), 0);
  report_.real("mb_per_s", result.mb_per_s(), 1);
  report_.latency(result.latency);
  return {};
}

// An event is acked once by a group, so a pass is a new group that reads the hot tail from its
// beginning.
Error Bench::acknowledge() {
  LoadResult filled;
  if (Error error = fill_hot(load_plan().events, &filled)) return error;
  const uint64_t passes =
      arguments_.events > 0 ? (arguments_.events + filled.events - 1) / filled.events : kAckPasses;
  say("delivering and acknowledging");
  LoadResult all;
  for (uint64_t pass = 0; pass < passes; ++pass) {
    if (Error error = acknowledge_all(filled, static_cast<uint32_t>(pass), &all)) return error;
  }
  report_.real("window", kAckWindow, 0);
  report_.real("events", static_cast<double>(all.events), 0);
  report_.real("events_per_s", all.events_per_s(), 0);
  report_.real("mb_per_s", all.mb_per_s(), 1);
  report_.latency(all.latency);
  return {};
}

client::Result<AckPlan> Bench::new_group(const std::string& name, const std::string& filter,
                                         bool latest) {
  proto::CreateGroup request;
  request.set_group(topic_ + "-" + name);
  request.set_topic(topic_);
  if (!latest) request.mutable_options()->mutable_from()->set_earliest(true);
  request.mutable_options()->set_max_in_flight(kAckWindow);
  if (!filter.empty()) request.mutable_options()->add_filters(filter);
  const auto created = client::create_group(*client_, request);
  if (!created.ok()) return created.error;
  AckPlan plan;
  plan.connect = client_->options();
  plan.group = request.group();
  plan.connections = arguments_.connections;
  plan.window_events = kAckWindow;
  return plan;
}

// The same log by a group that wants one of so many types, and by one that wants all; in turns.
Error Bench::acknowledge_one_in() {
  LoadResult filled;
  if (Error error = fill_hot(load_plan().events, &filled)) return error;
  say("delivering one type, and all of them, in turns");
  std::vector<double> one;
  std::vector<double> all;
  for (int round = 0; round < 2 * kRounds; ++round) {
    const bool filtered = round % 2 == 0;
    auto plan = new_group(std::to_string(round), filtered ? event_type(0) : "");
    if (!plan.ok()) return plan.error;
    plan->events = filtered ? filled.of_first_type : filled.events;
    const LoadResult result = ack_load(plan.value);
    if (result.error) return result.error;
    (filtered ? one : all)
        .push_back(static_cast<double>(filled.events) * 1e6 /
                   static_cast<double>(result.duration_us));
    if (Error error = client::delete_group(*client_, plan->group).error) return error;
  }
  report_.real("one_in", arguments_.one_in, 0);
  report_.real("events", static_cast<double>(filled.events), 0);
  report_.real("events_per_s", median(one), 0);
  report_.real("events_per_s_unfiltered", median(all), 0);
  report_.real("ratio_to_unfiltered", median(one) / median(all), 3);
  return {};
}

double Bench::resident_mib() {
  const auto page = cli::call_http(arguments_.connect, {.path = "/metrics"}, 10'000);
  if (!page.ok()) return 0;
  const std::string name = "\nprocess_resident_memory_bytes ";
  const size_t at = page->body.find(name);
  return at == page->body.npos
             ? 0
             : std::strtod(page->body.c_str() + at + name.size(), nullptr) / (1 << 20);
}

// What parked events cost in memory, and how late they come again.
Error Bench::park() {
  LoadResult filled;
  LoadPlan fill = load_plan();
  fill.events_per_s = 0;
  say("filling");
  filled = publish_load(fill);
  if (filled.error) return filled.error;
  auto plan = new_group("parked", "");
  if (!plan.ok()) return plan.error;
  plan->events = filled.events;
  plan->park_ms = arguments_.park_ms;
  plan->parked_per_s = arguments_.events_per_s;
  double parked_mib = 0;
  plan->revive = [&] {
    return client::set_group_state(*client_, plan->group, "enable", "bench: it fails on purpose")
        .error;
  };
  plan->all_parked = [&] { parked_mib = resident_mib(); };
  const double before_mib = resident_mib();
  say("failing every event, and waiting until they come again");
  const LoadResult result = ack_load(plan.value);
  if (result.error) return result.error;
  report_.real("park_ms", static_cast<double>(arguments_.park_ms), 0);
  report_.real("events", static_cast<double>(result.events), 0);
  report_.real("resident_mib_before", before_mib, 1);
  report_.real("resident_mib_parked", parked_mib, 1);
  report_.real("late_p50_us", static_cast<double>(result.latency.quantile_us(0.5)), 0);
  report_.real("late_p99_us", static_cast<double>(result.latency.quantile_us(0.99)), 0);
  report_.real("late_max_us", static_cast<double>(result.latency.max_us()), 0);
  return {};
}

// One group handles what is published meanwhile.
Error Bench::live_round(uint32_t round, metrics::HistogramSnapshot* published,
                        metrics::HistogramSnapshot* handled) {
  LoadPlan load = load_plan();
  const BatchPool sample(1, load.event_bytes, load.batch_bytes, 1);
  load.events = std::max<uint64_t>(1, load.events / (2 * kRounds) / sample.events_per_batch()) *
                sample.events_per_batch();
  auto plan = new_group("live" + std::to_string(round), "", true);
  if (!plan.ok()) return plan.error;
  plan->events = load.events;
  plan->live = true;
  LoadResult acked;
  std::thread handler([&] { acked = ack_load(plan.value); });
  const LoadResult result = publish_load(load);
  handler.join();
  if (result.error) return result.error;
  if (acked.error) return acked.error;
  published->merge(result.latency);
  handled->merge(acked.latency);
  return client::delete_group(*client_, plan->group).error;
}

// From publish to handler at a rate; alone, and beside groups that are given events and never
// answer.
Error Bench::live() {
  const uint32_t slow = std::max(arguments_.groups, 1u);
  const auto kind =
      arguments_.flooding ? Bystanders::Kind::floods : Bystanders::Kind::never_answers;
  Bystanders bystanders(client_.get(), topic_, slow, kind);
  if (Error error = bystanders.declare()) return error;
  metrics::HistogramSnapshot published, handled, published_beside, handled_beside;
  for (uint32_t round = 0; round < kRounds; ++round) {
    say("publishing and handling, alone, then beside members that never answer");
    if (Error error = live_round(2 * round, &published, &handled)) return error;
    if (Error error = bystanders.join()) return error;
    const Error error = live_round(2 * round + 1, &published_beside, &handled_beside);
    bystanders.leave();
    if (error) return error;
  }
  const auto p99 = [](const metrics::HistogramSnapshot& of) {
    return static_cast<double>(of.quantile_us(0.99));
  };
  report_.real("rate", arguments_.events_per_s, 0);
  report_.real("publish_p50_us", static_cast<double>(published.quantile_us(0.5)), 0);
  report_.real("publish_p99_us", p99(published), 0);
  report_.real("handler_p50_us", static_cast<double>(handled.quantile_us(0.5)), 0);
  report_.real("handler_p99_us", p99(handled), 0);
  report_.real("ratio_handler_to_publish_p99", p99(handled) / p99(published), 3);
  report_.real("slow_groups", slow, 0);
  report_.real("publish_p99_us_beside_slow", p99(published_beside), 0);
  report_.real("handler_p99_us_beside_slow", p99(handled_beside), 0);
  report_.real("ratio_handler_p99_beside_slow", p99(handled_beside) / p99(handled), 3);
  if (arguments_.flooding)
    report_.real("requests_of_floods", static_cast<double>(bystanders.requests()), 0);
  return bystanders.remove();
}

Error Bench::acknowledge_all(const LoadResult& filled, uint32_t pass, LoadResult* all) {
  auto plan = new_group(std::to_string(pass), "");
  if (!plan.ok()) return plan.error;
  plan->events = filled.events;
  const LoadResult result = ack_load(plan.value);
  if (result.error) return result.error;
  all->events += result.events;
  all->bytes += result.bytes;
  all->duration_us += result.duration_us;
  all->latency.merge(result.latency);
  return client::delete_group(*client_, plan->group).error;
}

Error Bench::one_at_a_time(metrics::Histogram* histogram, uint32_t count) {
  Wire wire;
  if (Error error = wire.open(client_->options())) return error;
  std::vector<std::byte> value(arguments_.event_bytes, std::byte{'x'});
  proto::Publish request;
  request.set_topic(topic_);
  request.set_partition(0);
  request.set_durability(client::to_wire(static_cast<Durability>(arguments_.durability)));
  proto::Event* event = request.add_events();
  event->set_type(std::string(kEventType));
  event->set_value_size(arguments_.event_bytes);
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t started_us = mono_us();
    event->set_timestamp_ms(wall_ms());
    const SharedBytes frame = net::native::encode_frame(net::native::MessageType::publish, 0, i + 1,
                                                        request, arguments_.event_bytes);
    wire.queue(frame.span());
    wire.queue(value);
    const Error error = wire.round_trip([](const auto&, std::span<const std::byte> message, auto) {
      proto::PublishOk reply;
      if (!reply.ParseFromArray(message.data(), static_cast<int>(message.size())) ||
          reply.results_size() != 1 || reply.results(0).error_code() != 0) {
        return client::bad_reply("the event was not accepted");
      }
      return Error{};
    });
    if (error) return error;
    histogram->record(mono_us() - started_us);
  }
  return {};
}

// The machine's own costs are measured between the broker's turns, not afterwards: the disk and the
// neighbours change from second to second.
Error Bench::latency() {
  say("publishing one event at a time");
  const auto count =
      static_cast<uint32_t>(arguments_.events > 0 ? arguments_.events : kLatencyEvents);
  const uint32_t a_round = std::max(1u, count / kLatencyRounds);
  std::unique_ptr<SyncedWrites> bare;
  if (arguments_.ceiling) {
    auto opened = SyncedWrites::open(directory_, arguments_.event_bytes);
    if (!opened.ok()) return opened.error;
    bare = std::move(opened.value);
  }
  metrics::Histogram whole, loopback, synced;
  uint32_t done = 0;
  int64_t spent_us = 0;
  for (; done < count; done += a_round) {
    const int64_t started_us = mono_us();
    if (Error error = one_at_a_time(&whole, a_round)) return error;
    spent_us += mono_us() - started_us;
    measure_loopback(&loopback, arguments_.event_bytes + 64, a_round);
    if (bare == nullptr) continue;
    if (Error error = bare->measure(&synced, a_round)) return error;
  }
  const double seconds = static_cast<double>(spent_us) / 1e6;
  report_.real("events", done, 0);
  report_.real("events_per_s", done / seconds, 0);
  report_.real("mb_per_s", done * (arguments_.event_bytes / 1e6) / seconds, 3);
  report_.latency(whole.snapshot());
  const auto loopback_us = static_cast<double>(loopback.snapshot().quantile_us(0.5));
  report_.real("loopback_p50_us", loopback_us, 0);
  if (bare == nullptr) return {};
  const auto synced_us = static_cast<double>(synced.snapshot().quantile_us(0.5));
  report_.real("rocksdb_synced_write_p50_us", synced_us, 0);
  report_.real("ratio_to_floor",
               static_cast<double>(whole.snapshot().quantile_us(0.5)) / (synced_us + loopback_us),
               3);
  return {};
}

Error Bench::run() {
  static constexpr const char* kNames[] = {"publish", "consume", "ack",
                                           "latency", "flood",   "schemas"};
  const auto sync = measure_fdatasync(directory_, kMachineRounds);
  if (!sync.ok()) return sync.error;
  report_.text("workload", kNames[static_cast<int>(arguments_.load)]);
  report_.real("size", arguments_.event_bytes, 0);
  report_.real("batch", static_cast<double>(arguments_.batch_bytes), 0);
  report_.real("connections", arguments_.connections, 0);
  report_.text("durability",
               std::string(client::to_string(static_cast<Durability>(arguments_.durability))));
  const bool flooding = arguments_.load == BenchArguments::Load::flood;
  if (flooding || arguments_.load == BenchArguments::Load::schemas) {
    const Error error = flooding ? flood(arguments_, &report_) : schema_cost(arguments_, &report_);
    if (error) return error;
    report_.print(arguments_.connect.json);
    return {};
  }
  if (Error error = set_up()) return error;
  Error error;
  if (arguments_.load == BenchArguments::Load::publish) {
    error = arguments_.groups > 0 ? publish_beside_groups() : publish();
  }
  if (arguments_.load == BenchArguments::Load::consume) error = consume();
  if (arguments_.load == BenchArguments::Load::ack) {
    error = arguments_.live          ? live()
            : arguments_.park_ms > 0 ? park()
            : arguments_.one_in > 1  ? acknowledge_one_in()
                                     : acknowledge();
  }
  if (arguments_.load == BenchArguments::Load::latency) error = latency();
  report_.real("fdatasync_p50_us", static_cast<double>(sync->quantile_us(0.5)), 0);
  tear_down();
  if (!error) report_.print(arguments_.connect.json);
  return error;
}

}  // namespace

int run(const BenchArguments& arguments) {
  const Error error = Bench(arguments).run();
  return error ? cli::report(error) : int{cli::kDone};
}

}  // namespace headrace::bench
