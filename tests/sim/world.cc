#include "tests/sim/world.h"

#include <algorithm>

#include "storage/month.h"

namespace headrace::sim {
namespace {

struct MonthRequest final : storage::Maintenance {
  void run() override {}
};
struct RunAtOnce final : storage::CompletionSink {
  void post(storage::Completion* completion) noexcept override { completion->run(); }
};

}  // namespace

World::World(const Options& options)
    : options_(options), prng_(options.seed), network_(&prng_, options.network) {}

World::~World() {
  stop();
}

// ---- the node

void World::make_month() {
  RunAtOnce sink;
  MonthRequest request;
  request.month = storage::month_of(now().wall_us);
  request.dedicated = {kDefaultTenant};
  request.sink = &sink;
  store_->maintain(&request);
  store_->settle();
}

void World::start() {
  HR_CHECK(!up());
  ++starts_;
  store_ = std::make_unique<storage::MemStore>(&disk_);
  store_->set_budget(options_.store_budget_bytes);
  make_month();
  fabric_ = std::make_unique<runtime::Fabric>(options_.reactors);
  for (uint32_t i = 0; i < options_.reactors; ++i) {
    auto lane = std::make_unique<Lane>();
    lane->io = network_.make_io({});
    runtime::ReactorOptions reactor;
    reactor.index = i;
    reactor.shard.shards = options_.shards;
    reactor.shard.set_bytes = options_.set_bytes;
    reactor.shard.shared_set_bytes = std::min(options_.set_bytes, size_t{128} << 10);
    reactor.shard.turn_events = options_.turn_events;
    // The broker's own events are in the shares of their tenants, and no client publishes them.
    if (options_.flood) reactor.shard.system_events_delay_us = -1;
    reactor.tail_bytes = options_.tail_bytes;
    // As the node does: it knows of the month that it made.
    reactor.months = {storage::month_of(now().wall_us)};
    lane->reactor =
        std::make_unique<runtime::Reactor>(reactor, lane->io.get(), store_.get(), fabric_.get());
    native::ServerOptions server;
    server.anonymous.loopback = true;
    server.version = "simulated";
    server.cluster_id = "simulated";
    lane->server = std::make_unique<native::Server>(lane->reactor.get(), server);
    net::Endpoint bound;
    HR_CHECK(lane->server->listen(endpoint_, &bound) == 0);
    lanes_.push_back(std::move(lane));
  }
  for (auto& lane : lanes_) lane->reactor->start();
}

bool World::ready() const {
  return up() && std::all_of(lanes_.begin(), lanes_.end(),
                             [](const auto& lane) { return lane->reactor->ready(); });
}

void World::crash() {
  if (!up()) return;
  // Some of what is on its way to the store owns itself: it comes to an end, but nothing leaves the
  // node any more. What is written by this is as likely lost as kept.
  for (bool more = true; more;) {
    more = false;
    store_->write_pending();
    store_->answer_reads();
    for (auto& lane : lanes_) more = lane->reactor->inbox().drain() > 0 || more;
  }
  store_->crash(prng_.below(store_->unsynced() + 1));
  stop();
}

void World::stop() {
  for (auto& lane : lanes_) lane->server.reset();
  for (auto& lane : lanes_) lane->reactor.reset();
  lanes_.clear();
  fabric_.reset();
  store_.reset();
  store_step_at_us_ = INT64_MAX;
}

bool World::restart_in_peace() {
  if (!up()) return true;
  constexpr int64_t kDrainUs = 10 * kMicrosPerSecond;
  for (auto& lane : lanes_) lane->reactor->request_drain(kDrainUs);
  const bool ended = run_until(
      [this] {
        return std::all_of(lanes_.begin(), lanes_.end(),
                           [](const auto& lane) { return lane->reactor->finished(); });
      },
      2 * kDrainUs);
  store_->settle();
  stop();
  start();
  return ended;
}

std::unique_ptr<test::SimClient> World::connect() {
  return network_.connect(endpoint_);
}

// ---- time

void World::step_store() {
  if (store_ == nullptr || store_->idle()) {
    store_step_at_us_ = INT64_MAX;
    return;
  }
  const int64_t now_us = now().mono_us;
  if (store_step_at_us_ == INT64_MAX) {
    store_step_at_us_ = now_us + prng_.between(10, options_.store_step_us);
  }
  if (store_step_at_us_ > now_us) return;
  switch (prng_.below(5)) {
    case 0:
    case 1:
      store_->write_pending();
      break;
    case 2:
    case 3:
      store_->answer_reads();
      break;
    default:
      store_->sync();
  }
  store_step_at_us_ = now_us + prng_.between(10, options_.store_step_us);
}

bool World::pass() {
  bool any = false;
  std::vector<Lane*> order;
  for (auto& lane : lanes_) order.push_back(lane.get());
  prng_.shuffle(order);
  for (Lane* lane : order) {
    if (!lane->io->runnable()) continue;
    lane->reactor->run_once();
    any = true;
  }
  step_store();
  for (Actor* actor : actors_) actor->step();
  if (any && watcher_) watcher_();
  return any;
}

int64_t World::next_event_us() const {
  int64_t next_us = std::min(network_.next_event_us(), store_step_at_us_);
  for (const Actor* actor : actors_) next_us = std::min(next_us, actor->next_us());
  return next_us;
}

bool World::run_until(const std::function<bool()>& done, int64_t longest_us) {
  const int64_t end_us = now().mono_us + longest_us;
  while (!done()) {
    if (now().mono_us >= end_us) return false;
    // A turn costs time: a world in which everybody is always busy goes on all the same.
    const int64_t least_us = now().mono_us + (pass() ? prng_.between(2, 20) : 1);
    network_.advance_to(std::min(std::max(next_event_us(), least_us), end_us));
  }
  return true;
}

void World::run_for(int64_t us) {
  run_until([] { return false; }, us);
}

void World::skip(int64_t us, int64_t step_us) {
  for (const int64_t end_us = now().mono_us + us; now().mono_us < end_us;) {
    network_.advance_to(std::min(end_us, now().mono_us + step_us));
    run_for(50 * kMicrosPerMilli);
  }
}

void World::trace(std::string_view bytes) {
  for (const char c : bytes) {
    trace_hash_ = (trace_hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  }
  trace_hash_ = (trace_hash_ ^ static_cast<uint64_t>(now().mono_us)) * 0x100000001b3ULL;
}

}  // namespace headrace::sim
