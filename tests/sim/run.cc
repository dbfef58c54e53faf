#include "tests/sim/run.h"

#include <algorithm>
#include <map>
#include <utility>

#include "broker/limits.h"
#include "tests/sim/delayers.h"
#include "tests/sim/flooders.h"
#include "tests/sim/handlers.h"
#include "tests/sim/members.h"
#include "tests/sim/publishers.h"
#include "tests/sim/readers.h"
#include "tests/sim/repeaters.h"
#include "tests/sim/schema_publishers.h"
#include "tests/sim/topics.h"

namespace headrace::sim {
namespace {

constexpr int64_t kSecondUs = kMicrosPerSecond;
// What is due when the node starts is in the log so soon.
constexpr int64_t kDueUs = 20 * kSecondUs;
constexpr int64_t kBoundUs = 600 * kSecondUs;  // healed clients are done within this

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), world_(options), scene_{world_, judge_, {}, {}} {}

  Verdict run();

 private:
  template <class What, class... Args>
  What* add(Args... args) {
    auto client = std::make_unique<What>(&scene_, args...);
    What* raw = client.get();
    world_.add(raw);
    clients_.push_back(std::move(client));
    return raw;
  }
  bool failed() const { return !judge_.violations().empty(); }
  void cast();
  void round();
  void fault();
  void heal();
  void finish();
  void wait_for_all(const std::string& what);
  void wait_for_groups();
  void wait_for_handlers();
  void watch_budgets();
  void watch_turns();
  void add_topics(uint32_t tenant, uint32_t count);
  void cast_others(uint32_t tenant);
  void cast_flood();
  void flood();

  const Options options_;
  World world_;
  Judge judge_;
  Scene scene_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Member*> members_;
  std::vector<Handler*> handlers_;
  std::vector<TopicClient*> topics_;    // by tenant
  std::vector<Flooder*> flooders_;      // likewise
  std::map<size_t, int64_t> turns_us_;  // that were looked at, by reactor
  uint64_t turns_of_ = 0;               // the start of the node that they are of
  uint64_t shared_turns_ = 0;
};

void Run::cast() {
  auto& prng = world_.prng();
  std::vector<uint32_t> counts{options_.topics};
  while (counts.size() < options_.tenants) {
    counts.push_back(static_cast<uint32_t>(prng.between(1, 2)));
  }
  for (uint32_t tenant = 0; tenant < options_.tenants; ++tenant) {
    add_topics(tenant, counts[tenant]);
    topics_.push_back(add<TopicClient>(tenant));
  }
  for (uint32_t i = 0; i < options_.publishers; ++i) add<Publisher>();
  for (uint32_t i = 0; i < options_.idempotent; ++i) add<IdempotentPublisher>();
  for (uint32_t i = 0; i < options_.delayers; ++i) add<Delayer>();
  SimTopic* last = &scene_.topics[options_.topics - 1];
  if (options_.repeaters > 0) last->dedup = true;
  for (uint32_t i = 0; i < options_.repeaters; ++i) add<Repeater>(last);
  for (uint32_t i = 0; i < options_.schemas; ++i) add<SchemaPublisher>();
  auto topic = [&] { return &scene_.topics[prng.below(options_.topics)]; };
  for (uint32_t i = 0; i < options_.readers; ++i) add<Reader>(topic());
  for (uint32_t i = 0; i < options_.subscribers; ++i) add<Subscriber>(topic());
  for (uint32_t i = 0; i < options_.members; ++i) members_.push_back(add<Member>(topic()));
  for (uint32_t i = 0; i < options_.handlers; ++i) handlers_.push_back(add<Handler>(topic()));
  for (uint32_t tenant = 1; tenant < options_.tenants; ++tenant) cast_others(tenant);
  if (options_.flood) cast_flood();
  world_.watch([this] {
    watch_budgets();
    watch_turns();
  });
  world_.listen([this](uint32_t tenant, std::string_view frame) {
    judge_.tell(&Checker::on_heard, Heard{tenant, frame});
  });
}

void Run::add_topics(uint32_t tenant, uint32_t count) {
  auto& prng = world_.prng();
  for (uint32_t i = 0; i < count; ++i) {
    const auto partitions = static_cast<uint32_t>(prng.between(1, 4));
    SimTopic& made = scene_.topics.emplace_back();
    made.name = told_apart(tenant, "t" + std::to_string(i));
    made.tenant = tenant;
    made.partitions = partitions;
    made.retention = options_.retention && i == 0;
    made.dlq_entries = options_.dlq_entries;
    made.by_key = prng.chance(0.4);
  }
}

// Fewer of each, and of each kind now and then.
void Run::cast_others(uint32_t tenant) {
  auto& prng = world_.prng();
  std::vector<SimTopic*> own;
  for (SimTopic& topic : scene_.topics) {
    if (topic.tenant == tenant) own.push_back(&topic);
  }
  auto topic = [&] { return own[prng.below(own.size())]; };
  add<Publisher>(tenant);
  if (options_.idempotent > 0 && prng.chance(0.5)) add<IdempotentPublisher>(tenant);
  if (options_.delayers > 0 && prng.chance(0.5)) add<Delayer>(tenant);
  if (options_.repeaters > 0 && prng.chance(0.5)) {
    own.back()->dedup = true;
    add<Repeater>(own.back());
  }
  if (options_.schemas > 0 && prng.chance(0.5)) add<SchemaPublisher>(tenant);
  add<Reader>(topic());
  if (options_.subscribers > 0 && prng.chance(0.5)) add<Subscriber>(topic());
  if (options_.members > 0 && prng.chance(0.5)) members_.push_back(add<Member>(topic()));
  const bool handles = options_.flood || prng.chance(0.6);
  if (options_.handlers > 0 && handles) handlers_.push_back(add<Handler>(topic()));
}

// Each tenant floods a topic whose group has several members: they ask in the same turns.
void Run::cast_flood() {
  std::map<uint32_t, SimTopic*> handled;  // by tenant
  for (const Handler* handler : handlers_) handled[handler->topic().tenant] = &handler->topic();
  for (const auto& [tenant, topic] : handled) {
    flooders_.push_back(add<Flooder>(topic));
    handlers_.push_back(add<Handler>(topic));
  }
}

// What a reactor's turn gave the acked groups of each tenant.
void Run::watch_turns() {
  if (!world_.up()) return;
  if (turns_of_ != world_.starts()) turns_us_.clear();
  turns_of_ = world_.starts();
  for (size_t i = 0; i < world_.reactors(); ++i) {
    const core::TurnShares& shares = *world_.reactor(i).shard_options().turns;
    const auto [at, fresh] = turns_us_.try_emplace(i, -1);
    if (std::exchange(at->second, shares.turn_mono_us()) == shares.turn_mono_us()) continue;
    Turn turn{i, world_.starts(), shares.events(), Handler::kWindowMost, {}};
    size_t refused = 0;
    for (const auto& [tenant, share] : shares.shares()) {
      refused += share.refused ? 1 : 0;
      if (share.wanted()) turn.shares[tenant.value()] = {share.weight, share.given, share.refused};
    }
    shared_turns_ += refused > 1 ? 1 : 0;
    judge_.tell(&Checker::on_turn, turn);
  }
}

// All tenants publish what they can; nobody else does anything.
void Run::flood() {
  constexpr uint32_t kPublishes = 120;
  for (Flooder* flooder : flooders_) flooder->flood(kPublishes);
  wait_for_all("the flood");
  judge_.waits_over();
}

// A reactor admits frames until the store's budget is reached: each connection may have one more
// turn's worth on its way. The tail keeps what is not committed above its budget.
void Run::watch_budgets() {
  if (!world_.up()) return;
  const auto pressure = world_.store().pressure();
  const uint64_t slack = clients_.size() * (128u << 10);
  judge_.tell(&Checker::on_use,
              Use{"bytes in the store", pressure.in_flight_bytes, pressure.budget_bytes + slack});
  for (size_t i = 0; i < world_.reactors(); ++i) {
    judge_.tell(&Checker::on_use, Use{"bytes in the tail", world_.reactor(i).tail().bytes(),
                                      options_.tail_bytes + pressure.budget_bytes + slack});
  }
}

void Run::fault() {
  auto& prng = world_.prng();
  if (prng.chance(options_.resets)) world_.network().reset_some(0.5);
  if (prng.chance(options_.commit_fault)) {
    const bool unknown = prng.chance(0.7);
    world_.store().fail_next_commit(unknown ? storage::Status::unknown : storage::Status::fenced,
                                    unknown && prng.chance(0.5));
  }
  if (prng.chance(options_.disk_low)) world_.store().set_disk_state(storage::Pressure::Disk::low);
  if (prng.chance(options_.clock_step)) {
    const int64_t most_us = int64_t{40} * 24 * 3'600 * kSecondUs;
    world_.network().step_wall_clock(prng.between(-most_us, most_us));
  }
  if (prng.chance(options_.crash)) {
    world_.crash();
    world_.run_for(prng.between(0, kSecondUs));
    world_.start();
  } else if (prng.chance(options_.clean_restart) && !world_.restart_in_peace()) {
    judge_.complain("the node did not drain within its deadline");
  }
}

void Run::round() {
  auto& prng = world_.prng();
  for (auto& client : clients_) client->give(static_cast<uint32_t>(prng.below(30)));
  if (options_.deletes && prng.chance(0.2)) topics_[prng.below(topics_.size())]->delete_one();
  for (int64_t i = prng.between(1, 3); i > 0 && !failed(); --i) {
    world_.run_for(prng.chance(0.5) ? prng.between(0, 20'000) : prng.between(0, 2 * kSecondUs));
    fault();
  }
  world_.run_for(prng.between(0, 5 * kSecondUs));
  world_.store().set_disk_state(storage::Pressure::Disk::ok);
  world_.run_for(prng.between(0, 2 * options_.length_us / options_.rounds));
}

void Run::heal() {
  world_.network().options().reset_per_write = 0;
  world_.store().set_disk_state(storage::Pressure::Disk::ok);
  scene_.healed = true;
}

void Run::wait_for_all(const std::string& what) {
  const bool done = world_.run_until(
      [this] {
        return failed() || std::all_of(clients_.begin(), clients_.end(),
                                       [](const auto& client) { return client->finished(); });
      },
      kBoundUs);
  if (done) return;
  for (const auto& client : clients_) {
    if (!client->finished()) judge_.complain(what + " does not end: " + client->state());
  }
}

// Everything that was published is read and committed by the groups.
void Run::wait_for_groups() {
  auto behind = [this](const Member* member) {
    for (const auto& [lane, end] : topics_[member->topic().tenant]->ends()) {
      if (lane.topic != member->topic().name || end == 0) continue;
      const auto at = scene_.positions.find({member->group(), lane.partition});
      if (at == scene_.positions.end() || at->second < end) return true;
    }
    return false;
  };
  const bool done = world_.run_until(
      [&] { return failed() || std::none_of(members_.begin(), members_.end(), behind); }, kBoundUs);
  if (done) return;
  for (const Member* member : members_) {
    if (behind(member)) judge_.complain("a group does not get to the end: " + member->state());
  }
}

// Everything that was published is acked or dead, then the dead are counted. Retention may take
// events before anybody was given them, so such topics are only drained.
void Run::wait_for_handlers() {
  auto wait = [&](auto&& done, const char* what) {
    const bool all = world_.run_until(
        [&] { return failed() || std::all_of(handlers_.begin(), handlers_.end(), done); },
        kBoundUs);
    if (all) return;
    for (const Handler* handler : handlers_) {
      if (!done(handler)) judge_.complain(std::string(what) + handler->state());
    }
  };
  auto gone = [](const Handler* handler) {
    return handler->topic().deleted || !handler->topic().created;
  };
  wait([&](const Handler* handler) { return gone(handler) || handler->drained(); },
       "an acked group is not drained: ");
  if (failed()) return;
  for (Handler* handler : handlers_) {
    if (!handler->topic().retention) handler->collect();
  }
  wait(
      [&](const Handler* handler) {
        return gone(handler) || handler->topic().retention || handler->collected();
      },
      "the dead letters are not read: ");
}

void Run::finish() {
  heal();
  wait_for_all("the work after healing");
  if (!failed() && options_.flood) flood();
  if (failed()) return;
  // The last look is at what a last power cut leaves.
  world_.crash();
  world_.start();
  if (options_.delayers > 0) {
    const int64_t wall_us = world_.now().wall_us;
    world_.run_for(kDueUs);
    judge_.tell(&Checker::on_due_by, DueBy{wall_us});
  }
  for (TopicClient* topics : topics_) topics->read_everything();
  wait_for_all("reading everything");
  if (!failed()) wait_for_groups();
  if (!failed()) wait_for_handlers();
}

Verdict Run::run() {
  cast();
  world_.start();
  for (uint32_t i = 0; i < options_.rounds && !failed(); ++i) {
    round();
    if (i == options_.rounds / 2 && options_.idle_days > 0) {
      const int64_t us = options_.idle_days * 24 * 3'600 * kSecondUs;
      world_.skip(us, us / 50);
    }
  }
  if (!failed()) finish();
  Verdict verdict;
  verdict.violations = judge_.violations();
  verdict.trace_hash = world_.trace_hash();
  verdict.published = scene_.published;
  verdict.resent = scene_.resent;
  verdict.read = scene_.read;
  verdict.handled = scene_.handled;
  verdict.delayed = scene_.delayed;
  verdict.cancelled = scene_.cancelled;
  verdict.repeated = scene_.repeated;
  verdict.purged = scene_.purged;
  verdict.jobs = scene_.jobs;
  verdict.kept_back = scene_.kept_back;
  for (const auto& [where, offset] : scene_.positions) {
    verdict.committed += static_cast<uint64_t>(offset);
  }
  verdict.flooded = scene_.flooded;
  verdict.shared_turns = shared_turns_;
  verdict.starts = world_.starts();
  return verdict;
}

}  // namespace

Verdict run(const Options& options) {
  return Run(options).run();
}

}  // namespace headrace::sim
