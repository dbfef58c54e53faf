#include "tests/sim/options.h"

#include <algorithm>
#include <sstream>

#include "metrics/time.h"
#include "storage/month.h"

namespace headrace::sim {
namespace {

constexpr int64_t kDayUs = int64_t{24} * 3'600 * kMicrosPerSecond;

// Each fault is there in some runs only: a run with few faults reaches further states.
double share(test::Prng& prng, double present, double most) {
  const bool there = prng.chance(present);
  const double size = static_cast<double>(prng.below(1'000)) / 1'000 * most;
  return there ? size : 0;
}

// Many wait for the sets of one shard, and for nothing else; what waits is known to have arrived.
void flood(test::Prng& prng, Options* options) {
  options->shards = 1;
  options->store_budget_bytes = 64u << 20;
  options->store_step_us = 30'000;
  options->network.most_delay_us = 2'000;
  options->network.socket_buffer = 64 * 1024;
  options->slow_readers = false;
  options->clock_step = 0;
  options->events_per_s = 0;
  options->turn_events = prng.between(2, 8);
  options->handlers = std::max(options->handlers, 1u);
  options->set_bytes = static_cast<size_t>(prng.between(200, 600));
}

}  // namespace

Options draw_options(uint64_t seed) {
  test::Prng prng(seed * 0x9e3779b97f4a7c15ULL + 1);
  Options options;
  options.seed = seed;
  options.reactors = prng.chance(0.5) ? 2 : 1;
  options.shards = static_cast<uint32_t>(prng.between(1, 6));
  options.tail_bytes = prng.chance(0.4) ? 2'000 : 64u << 20;
  options.store_budget_bytes = prng.chance(0.3) ? 4'000 : 64u << 20;
  options.store_step_us = prng.chance(0.3) ? 30'000 : 300;

  auto& network = options.network;
  network.most_delay_us = prng.chance(0.3) ? 50'000 : 2'000;
  network.socket_buffer = prng.chance(0.3) ? 2'048 : 64 * 1024;
  network.tiny_segments = share(prng, 0.5, 0.2);
  network.reset_per_write = share(prng, 0.3, 0.02);
  // Some runs begin shortly before a month ends.
  const Month month = storage::month_of(1'700'000'000'000'000);
  const int64_t end_us = storage::month_start_us(storage::next_month(month));
  network.start_wall_us = prng.chance(0.4) ? end_us - prng.between(1, 3'600) * kMicrosPerSecond
                                           : end_us - prng.between(6, 25) * kDayUs;

  options.topics = static_cast<uint32_t>(prng.between(1, 3));
  options.publishers = static_cast<uint32_t>(prng.between(1, 4));
  options.idempotent = static_cast<uint32_t>(prng.between(0, 3));
  options.readers = static_cast<uint32_t>(prng.between(1, 2));
  options.subscribers = static_cast<uint32_t>(prng.between(0, 2));
  options.members = static_cast<uint32_t>(prng.between(0, 3));
  options.handlers = static_cast<uint32_t>(prng.between(0, 3));
  options.slow_readers = prng.chance(0.2);
  options.retention = prng.chance(0.3);
  options.deletes = prng.chance(0.3);

  options.rounds = static_cast<uint32_t>(prng.between(4, 10));
  options.crash = share(prng, 0.7, 0.8);
  options.clean_restart = share(prng, 0.3, 0.4);
  options.commit_fault = share(prng, 0.5, 0.6);
  options.disk_low = share(prng, 0.2, 0.5);
  options.clock_step = share(prng, 0.3, 0.5);
  // Parked events are due by the wall clock: one that is set back by weeks holds them for weeks.
  if (options.clock_step > 0) options.handlers = 0;
  options.resets = share(prng, 0.5, 0.8);
  options.idle_days = prng.chance(0.3) ? prng.between(1, 40) : 0;
  options.delayers = static_cast<uint32_t>(prng.between(0, 2));
  // The window goes by append times: only where those run like the client's clock.
  const bool steady = options.clock_step == 0 && options.idle_days == 0;
  options.repeaters = steady ? static_cast<uint32_t>(prng.between(0, 2)) : 0;
  options.dlq_entries = prng.chance(0.5) ? static_cast<uint32_t>(prng.between(1, 8)) : 0;
  options.set_bytes = prng.chance(0.4) ? static_cast<size_t>(prng.between(100, 3'000)) : 1u << 20;
  options.events_per_s = prng.chance(0.3) ? prng.between(5, 200) : 0;
  options.schemas = static_cast<uint32_t>(prng.between(0, 2));
  options.tenants = prng.chance(0.1) ? 3 : 2;
  for (uint32_t& weight : options.weights) weight = static_cast<uint32_t>(prng.between(1, 5));
  options.turn_events = prng.chance(0.3) ? prng.between(5, 30) : 1 << 14;
  options.flood = prng.chance(0.06);
  if (options.flood) flood(prng, &options);
  return options;
}

std::string Options::to_string() const {
  std::ostringstream out;
  out << "reactors=" << reactors << " shards=" << shards << " tail=" << tail_bytes
      << " budget=" << store_budget_bytes << " store_step_us=" << store_step_us
      << " delay_us=" << network.most_delay_us << " socket=" << network.socket_buffer
      << " tiny=" << network.tiny_segments << " reset_per_write=" << network.reset_per_write
      << " start_wall_us=" << network.start_wall_us << " topics=" << topics
      << " publishers=" << publishers << " idempotent=" << idempotent << " readers=" << readers
      << " subscribers=" << subscribers << " members=" << members << " handlers=" << handlers
      << " delayers=" << delayers << " repeaters=" << repeaters << " schemas=" << schemas
      << " dlq=" << dlq_entries << " slow=" << slow_readers << " retention=" << retention
      << " deletes=" << deletes << " rounds=" << rounds << " crash=" << crash
      << " clean_restart=" << clean_restart << " commit_fault=" << commit_fault
      << " disk_low=" << disk_low << " set_bytes=" << set_bytes << " events_per_s=" << events_per_s
      << " tenants=" << tenants << " weights=" << weights[0] << "," << weights[1] << ","
      << weights[2] << " turn_events=" << turn_events << " flood=" << flood
      << " clock_step=" << clock_step << " resets=" << resets << " idle_days=" << idle_days;
  return out.str();
}

}  // namespace headrace::sim
