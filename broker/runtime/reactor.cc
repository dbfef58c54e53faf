#include "broker/runtime/reactor.h"

#include <algorithm>

#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::runtime {
namespace {

// Sessions stop receiving when the store is behind, and are told when the disk is full; what comes
// from a foreign thread is refused here.
core::Error refuse_publish(const Reactor& reactor, TenantId tenant) {
  core::Error error;
  const auto& tenants = reactor.catalog()->tenants_by_id;
  const auto known = tenants.find(tenant);
  const core::TenantUse* use = known == tenants.end() ? nullptr : known->second->use.get();
  if (reactor.pressure().disk != storage::Pressure::Disk::ok) {
    error = core::Error(core::ErrorCode::disk_full);
    error.retry_after_ms = 1'000;
  } else if (!reactor.takes_publishes(use)) {
    error = core::Error(core::ErrorCode::busy, "the store is behind");
    error.retry_after_ms = 100;
  }
  return error;
}

// Copies of options share what is the node's, but turns are this reactor's alone.
ReactorOptions with_own_turns(ReactorOptions options) {
  options.shard.turns = std::make_shared<core::TurnShares>(options.shard.turn_events);
  return options;
}

// A request from a foreign thread, carried by the inbox.
struct ForeignRequest final : storage::Completion {
  void run() override {
    waiting->fetch_sub(1, std::memory_order_relaxed);
    if (request->kind == core::Request::Kind::publish_events) {
      request->error = refuse_publish(*reactor, request->tenant.tenant());
    }
    if (request->error) {
      reactor->deliver_reply(std::move(request));
    } else {
      reactor->submit(std::move(request));
    }
    delete this;
  }
  Reactor* reactor = nullptr;
  std::atomic<uint32_t>* waiting = nullptr;
  core::RequestPtr request;
};

}  // namespace

Reactor::Reactor(const ReactorOptions& options, net::Io* io, storage::Store* store, Fabric* fabric)
    : options_(with_own_turns(options)),
      io_(io),
      store_(store),
      fabric_(fabric),
      inbox_(io),
      now_(io->now()),
      months_(options.months),
      wheel_(std::make_unique<TimerWheel>(now_.mono_us)),
      tail_(options.tail_bytes),
      catalog_(std::make_shared<core::CatalogSnapshot>()),
      shards_(options.shard.shards),
      overflow_(fabric->reactors()),
      wake_(fabric->reactors(), false) {
  fabric->set_io(options.index, io);
  clock_guard_.observe(now_);
  for (uint16_t i = 0; i < options.shard.shards; ++i) {
    if (fabric->owner(ShardId(i)) != options.index) continue;
    shards_[i] = std::make_unique<Shard>(ShardId(i), this);
  }
}

Reactor::~Reactor() = default;

void Reactor::start() {
  for (auto& shard : shards_) {
    if (shard != nullptr) shard->start();
  }
}

void Reactor::run_once() {
  turn();
  if (!inbox_.empty()) return;
  io_->wait(next_wake_mono_us());
}

void Reactor::turn() {
  now_ = io_->now();  // one time per turn; nothing below reads a clock
  const int64_t began_us = now_.mono_us;

  inbox_.drain();  // completions first: they free capacity
  for (uint32_t from = 0; from < fabric_->reactors(); ++from) {
    fabric_->box(from, options_.index).drain([this](Letter&& letter) { take(std::move(letter)); });
  }
  pressure_ = store_->pressure();
  shares_.reset();
  io_->poll();  // sockets → sessions → handlers → router → core
  if (front_end_ != nullptr) front_end_->on_turn(now_);
  wheel_->advance(now_);  // deadlines become commands
  watch_months();
  watch_drain();
  flush_shards();  // one WriteSet per shard that changed
  flush_mailboxes();
  if (front_end_ != nullptr) front_end_->flush();  // one gather send per connection

  metrics::add(metrics::Counter::reactor_turns);
  metrics::record(metrics::Timing::turn_duration, io_->now().mono_us - began_us);
}

int64_t Reactor::next_wake_mono_us() {
  return std::min(wheel_->next_deadline_mono_us(), now_.mono_us + limits::kWaitUsMax);
}

Shard& Reactor::shard(ShardId id) {
  HR_CHECK(id.value() < shards_.size() && shards_[id.value()] != nullptr);
  return *shards_[id.value()];
}

bool Reactor::ready() const {
  return catalog_->version > 0 &&
         std::all_of(shards_.begin(), shards_.end(),
                     [](const auto& shard) { return shard == nullptr || shard->ready(); });
}

// ---- requests and replies

void Reactor::submit(core::RequestPtr request) {
  if (request->home == core::kNoHome) request->home = options_.index;
  HR_CHECK(request->shard.value() < options_.shard.shards);
  const uint32_t owner = fabric_->owner(request->shard);
  if (owner == options_.index) {
    shard(request->shard).handle(std::move(request));
    return;
  }
  Letter letter{Letter::Kind::request, std::move(request), nullptr, Month(0)};
  if (fabric_->box(options_.index, owner).push(std::move(letter))) {
    wake_[owner] = true;
    return;
  }
  metrics::add(metrics::Counter::requests_refused_busy);
  letter.request->error =
      core::Error(core::ErrorCode::busy, "the shard's reactor has a full mailbox");
  letter.request->error.retry_after_ms = 10;
  deliver_reply(std::move(letter.request));
}

bool Reactor::post_foreign(core::RequestPtr& request) {
  if (foreign_waiting_.fetch_add(1, std::memory_order_relaxed) >= limits::kForeignRequests) {
    foreign_waiting_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  request->foreign = true;
  auto* item = new ForeignRequest;
  item->reactor = this;
  item->waiting = &foreign_waiting_;
  item->request = std::move(request);
  inbox_.post(item);
  return true;
}

void Reactor::deliver_reply(core::RequestPtr request) {
  core::Requester* requester = request->requester;
  if (requester == nullptr) return;
  if (request->foreign || request->home == options_.index) {
    requester->on_reply(std::move(request));
    return;
  }
  const uint32_t home = request->home;  // arguments are evaluated in any order
  send(home, Letter{Letter::Kind::reply, std::move(request), nullptr, Month(0)});
}

// A reply is never dropped: what finds the mailbox full waits here. Bounded by the requests that
// the other reactor has outstanding.
void Reactor::send(uint32_t reactor, Letter&& letter) {
  wake_[reactor] = true;
  auto& overflow = overflow_[reactor];
  if (!overflow.empty() || !fabric_->box(options_.index, reactor).push(std::move(letter))) {
    overflow.push_back(std::move(letter));
  }
}

void Reactor::take(Letter&& letter) {
  switch (letter.kind) {
    case Letter::Kind::request:
      shard(letter.request->shard).handle(std::move(letter.request));
      return;
    case Letter::Kind::reply: {
      core::Requester* requester = letter.request->requester;
      requester->on_reply(std::move(letter.request));
      return;
    }
    case Letter::Kind::catalog:
      take_catalog(std::move(letter.catalog));
      return;
    case Letter::Kind::month:
      months_.add(letter.month);
      return;
    case Letter::Kind::nothing:
      break;
  }
  HR_UNREACHABLE("an empty letter");
}

void Reactor::publish_catalog(core::CatalogPtr snapshot) {
  HR_CHECK(snapshot->version > catalog_->version);
  take_catalog(snapshot);
  for (uint32_t peer = 0; peer < fabric_->reactors(); ++peer) {
    if (peer != options_.index)
      send(peer, Letter{Letter::Kind::catalog, nullptr, snapshot, Month(0)});
  }
}

void Reactor::take_catalog(core::CatalogPtr snapshot) {
  catalog_ = std::move(snapshot);
  const auto unknown = [](const auto& entry) {
    const core::Tenant& tenant = *entry.second;
    return tenant.quotas.of(core::Quota::stored_bytes) > 0 &&
           !tenant.use->stored_known.load(std::memory_order_relaxed);
  };
  if (std::ranges::none_of(catalog_->tenants_by_id, unknown)) return;
  for (auto& shard : shards_) {
    if (shard != nullptr) shard->count_stored();
  }
}

bool Reactor::below_share(const core::TenantUse* use) const {
  if (use == nullptr) return false;
  if (!shares_) shares_.emplace(*catalog_, pressure_.budget_bytes);
  return shares_->below(*use);
}

// ---- the end of the turn

void Reactor::flush_shards() {
  std::vector<Shard*> dirty = std::move(dirty_);
  dirty_.clear();
  for (Shard* shard : dirty) shard->flush();
}

void Reactor::flush_mailboxes() {
  for (uint32_t peer = 0; peer < fabric_->reactors(); ++peer) {
    auto& overflow = overflow_[peer];
    while (!overflow.empty() &&
           fabric_->box(options_.index, peer).push(std::move(overflow.front()))) {
      overflow.pop_front();
    }
    if (!overflow.empty()) wake_[peer] = true;
    if (wake_[peer]) fabric_->wake(peer);
    wake_[peer] = false;
  }
}

// ---- months and the clock

std::optional<Month> Reactor::writable_month(Month wanted) const {
  if (!clock_guard_.suspect()) frozen_month_ = months_.newest_until(wanted);
  return frozen_month_.has_value() ? frozen_month_ : months_.newest_until(wanted);
}

void Reactor::watch_months() {
  if (clock_guard_.observe(now_)) {
    const bool suspect = clock_guard_.suspect();
    log::warn(suspect
                  ? "the wall clock jumped: months and retention rest until it is steady for 10 min"
                  : "the wall clock is steady again",
              {{"reactor", options_.index}});
    if (options_.index == 0) metrics::add(metrics::Gauge::clock_suspect, suspect ? 1 : -1);
  }
  if (fabric_->owner(kMetaShard) != options_.index || clock_guard_.suspect()) return;
  auto& creation = months_.creation();
  // Who gets a family of its own is in the catalog.
  if (creation.under_way || catalog_->version == 0) return;
  const auto due = months_.due(now_.wall_us);
  if (!due) return;
  creation.kind = storage::Maintenance::Kind::create_month;
  creation.month = *due;
  creation.dedicated.clear();
  for (const auto& [id, tenant] : catalog_->tenants_by_id) {  // the oldest ones
    if (tenant->state == core::Tenant::State::deleting) continue;
    if (creation.dedicated.size() < options_.dedicated_tenants) creation.dedicated.push_back(id);
  }
  creation.sink = &inbox_;
  creation.under_way = true;
  creation.done = [this] {
    auto& made = months_.creation();
    made.under_way = false;
    if (made.status != storage::Status::ok) {
      log::error("the month's log family could not be made",
                 {{"month", made.month.value()}, {"status", storage::to_string(made.status)}});
      return;
    }
    months_.add(made.month);
    for (uint32_t peer = 0; peer < fabric_->reactors(); ++peer) {
      if (peer != options_.index)
        send(peer, Letter{Letter::Kind::month, nullptr, nullptr, made.month});
    }
  };
  store_->maintain(&creation);
}

// ---- leaving

void Reactor::request_drain(int64_t deadline_us) noexcept {
  drain_deadline_us_.store(std::max<int64_t>(deadline_us, 1), std::memory_order_release);
  io_->wake();
}

bool Reactor::quiet() const {
  return std::all_of(shards_.begin(), shards_.end(),
                     [](const auto& shard) { return shard == nullptr || shard->idle(); }) &&
         std::all_of(overflow_.begin(), overflow_.end(), [](const auto& o) { return o.empty(); });
}

void Reactor::watch_drain() {
  const int64_t deadline_us = drain_deadline_us_.load(std::memory_order_acquire);
  if (deadline_us == 0) return;
  if (drain_until_mono_us_ == 0) {
    drain_until_mono_us_ = now_.mono_us + deadline_us;
    if (front_end_ != nullptr) front_end_->begin_drain();
  }
  const bool late = now_.mono_us >= drain_until_mono_us_;
  if (late && front_end_ != nullptr) front_end_->close_all();
  if (late) cut_off_.store(!finished(), std::memory_order_release);
  const bool drained = front_end_ == nullptr || front_end_->drained();
  if (drained && !late && !wrote_late_) {
    wrote_late_ = true;
    for (const auto& shard : shards_) {
      if (shard != nullptr) shard->write_late();
    }
    return;
  }
  if (late || (drained && quiet())) {
    finished_.store(true, std::memory_order_release);
  }
}

}  // namespace headrace::runtime
