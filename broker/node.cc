#include "broker/node.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "broker/identity.h"
#include "metrics/crc32c.h"
#include "metrics/log.h"
#include "net/listener.h"
#include "net/tls_io.h"
#include "storage/month.h"

namespace headrace::broker {
namespace {

constexpr auto kVersion = HEADRACE_VERSION;

// Waits for one completion on a thread that is no reactor: only while the node starts.
class Waiter final : public storage::CompletionSink {
 public:
  void post(storage::Completion* completion) noexcept override {
    completion->run();
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

struct MonthRequest final : storage::Maintenance {
  void run() override {}
};

core::Retention default_retention(const Config& config) {
  core::Retention retention;  // 0 means no bound
  const auto& topics = config.topics;
  if (topics.retention_age_us > 0) retention.age_us = topics.retention_age_us;
  if (topics.retention_size_bytes > 0) retention.bytes = topics.retention_size_bytes;
  if (topics.retention_count > 0) retention.events = topics.retention_count;
  if (topics.retention_months > 0) {
    retention.months = static_cast<uint32_t>(topics.retention_months);
  }
  return retention;
}

core::AnonymousRule anonymous_rule(const Config& config, const net::Endpoint& listener) {
  using Mode = core::AnonymousRule::Mode;
  core::AnonymousRule rule;
  if (config.auth.anonymous == "true") rule.mode = Mode::always;
  if (config.auth.anonymous == "false") rule.mode = Mode::never;
  rule.loopback = listener.is_loopback();
  return rule;
}

native::LiveOptions live_options(const Config& config) {
  native::LiveOptions live;
  live.max_connections = static_cast<size_t>(config.limits.connections);
  live.default_partitions = static_cast<uint32_t>(config.topics.partitions);
  live.default_retention = default_retention(config);
  return live;
}

uint32_t reactor_count(const Config& config) {
  if (config.broker.reactors > 0) return static_cast<uint32_t>(config.broker.reactors);
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 2 ? cores - 1 : 1;
}

}  // namespace

Node::~Node() {
  if (!lanes_.empty()) stop();
}

bool Node::start(std::string* error) {
  if (!crc32c_self_test()) {
    *error = "the CRC32C of this processor's instructions does not match the known vectors";
    return false;
  }
  std::string why;
  if (!net::parse_endpoint(config_.broker.listen, &wanted_, &why)) {
    *error = "broker.listen: " + why;
    return false;
  }
  redactor_ = make_redactor(config_, error);
  return redactor_ != nullptr && load_tls(error) && open_store(error) && start_reactors(error) &&
         start_admin(error);
}

bool Node::start_admin(std::string* error) {
  admin::AdminOptions options;
  options.version = kVersion;
  options.cluster_id = cluster_id_;
  options.config = config_;
  options.redactor = redactor_;
  options.reload = [this](auto done) { return ask_reload(std::move(done)); };
  options.default_partitions = static_cast<uint32_t>(config_.topics.partitions);
  options.default_retention = default_retention(config_);
  options.http.max_connections = static_cast<size_t>(config_.http.max_connections);
  options.http.max_in_flight = static_cast<size_t>(config_.http.max_in_flight);
  options.http.max_body_bytes = static_cast<uint64_t>(config_.http.max_body_bytes);
  options.http.idle_timeout_us = config_.http.idle_us;
  options.http.respond_timeout_us = config_.http.respond_us;
  options.http.tls = speaks_tls("http") ? tls_.get() : nullptr;
  options.http.handshake_timeout_us = config_.limits.handshake_us;
  net::Endpoint http;
  std::string why;
  if (!net::parse_endpoint(config_.http.listen, &http, &why)) {
    *error = "http.listen: " + why;
    return false;
  }
  options.anonymous = anonymous_rule(config_, http);
  options.http.host = http.host;
  options.http.port = http.port;
  net::Endpoint scraped;
  if (!config_.metrics.listen.empty()) {
    if (!net::parse_endpoint(config_.metrics.listen, &scraped, &why)) {
      *error = "metrics.listen: " + why;
      return false;
    }
    options.metrics = admin::Door{options.http, anonymous_rule(config_, scraped)};
    options.metrics->http.host = scraped.host;
    options.metrics->http.port = scraped.port;
  }
  std::vector<runtime::Reactor*> reactors;
  for (auto& lane : lanes_) reactors.push_back(lane->reactor.get());
  admin_ = std::make_unique<admin::Admin>(options, std::move(reactors), store_.get());
  if (!admin_->start(error)) return false;
  const Doors doors{anonymous_rule(config_, wanted_), anonymous_rule(config_, http)};
  return look_after_doors(admin_.get(), doors, config_, &entry_, error);
}

bool Node::load_tls(std::string* error) {
  if (config_.tls.certificate.empty()) return true;
  net::TlsServerFiles files;
  files.certificate = config_.tls.certificate;
  files.key = config_.tls.key;
  files.client_ca = config_.tls.client_ca;
  files.client_required = config_.tls.client_certificates == "required";
  tls_ = std::make_unique<net::TlsServerContext>(files);
  return tls_->load(error);
}

bool Node::speaks_tls(std::string_view listener) const {
  return tls_ != nullptr && (config_.tls.listeners == "both" || config_.tls.listeners == listener);
}

bool Node::ask_reload(std::function<void(const ReloadReport&)> done) {
  constexpr size_t kWaits = 16;
  {
    const std::lock_guard lock(reload_mutex_);
    if (reload_waits_.size() >= kWaits) return false;
    reload_waits_.push_back(std::move(done));
  }
  kill(getpid(), SIGHUP);
  return true;
}

void Node::reload() {
  std::vector<std::function<void(const ReloadReport&)>> waits;
  {
    const std::lock_guard lock(reload_mutex_);
    waits.swap(reload_waits_);
  }
  const ReloadReport report = read_again();
  for (const auto& error : report.errors) {
    log::error("the changed configuration is not taken over", {{"why", error}});
  }
  for (const auto& [name, before, now] : report.taken) {
    log::info("setting taken over", {{"setting", name}, {"before", before}, {"now", now}});
  }
  for (const auto& [name, before, now] : report.restart) {
    log::warn("setting waits for the next start",
              {{"setting", name}, {"in_use", before}, {"configured", now}});
  }
  for (const auto& done : waits) done(report);
}

// All or nothing: a certificate that is wrong keeps the settings as they are, too.
ReloadReport Node::read_again() {
  ReloadReport report;
  const std::optional<Config> fresh = read_config_(&report.errors);
  if (!fresh) return report;
  std::string error;
  if (tls_ != nullptr && !tls_->load(&error)) {
    report.errors.push_back("the certificate in use stays: " + error);
    return report;
  }
  report.certificate = tls_ != nullptr;
  live_ = take_over(live_, *fresh, &report);
  if (report.taken.empty()) return report;
  const auto of_log = [](const SettingChange& change) { return change.name.starts_with("log."); };
  if (std::ranges::any_of(report.taken, of_log)) configure_log(live_);
  admin_->adopt(live_, default_retention(live_));
  for (auto& lane : lanes_) {
    lane->server->offer(std::make_unique<native::LiveOptions>(live_options(live_)));
  }
  return report;
}

bool Node::open_store(std::string* error) {
  storage::RocksOptions options;
  options.data_dir = config_.broker.data;
  options.budget_bytes = static_cast<uint64_t>(config_.storage.budget_bytes);
  options.workers = static_cast<int>(config_.storage.workers);
  options.max_families = static_cast<uint32_t>(config_.storage.max_families);
  options.write_buffers_bytes = static_cast<uint64_t>(config_.storage.write_buffers_bytes);
  options.max_total_wal_bytes = static_cast<uint64_t>(config_.storage.max_wal_bytes);
  options.block_cache_bytes = static_cast<uint64_t>(config_.storage.block_cache_bytes);
  options.direct_io_for_flush = config_.storage.direct_io;
  options.ballast_bytes = static_cast<uint64_t>(config_.storage.ballast_bytes);
  options.disk_low_bytes = static_cast<uint64_t>(config_.storage.disk_low_bytes);
  options.disk_critical_bytes = static_cast<uint64_t>(config_.storage.disk_critical_bytes);
  store_ = storage::RocksStore::open(options, error);
  if (store_ == nullptr) return false;
  Identity identity;
  if (!load_identity(config_.broker.data, static_cast<uint32_t>(config_.broker.shards), &identity,
                     error)) {
    return false;
  }
  storage::BackupOptions backups;
  backups.dir = config_.backup.dir;
  backups.keep = static_cast<uint32_t>(config_.backup.keep);
  backups.rate_bytes = static_cast<uint64_t>(config_.backup.rate_bytes);
  backups.identity = identity_text(identity);
  store_->keep_backups(std::move(backups));
  cluster_id_ = identity.cluster_id;
  shards_ = identity.shards;
  if (shards_ != static_cast<uint32_t>(config_.broker.shards)) {
    log::warn("broker.shards is fixed by the data directory",
              {{"asked", config_.broker.shards}, {"shards", shards_}});
  }
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return make_first_month(storage::month_of(int64_t{wall.tv_sec} * kMicrosPerSecond), error);
}

// Nothing is served before the current month has its family.
bool Node::make_first_month(Month month, std::string* error) {
  Waiter waiter;
  MonthRequest request;
  request.kind = storage::Maintenance::Kind::create_month;
  request.month = month;
  request.dedicated = {kDefaultTenant};
  request.sink = &waiter;
  store_->maintain(&request);
  waiter.wait();
  if (request.status != storage::Status::ok) {
    *error = "cannot make the log family of month " + std::to_string(month.value()) + ": " +
             std::string(storage::to_string(request.status));
    return false;
  }
  months_ = {month};
  return true;
}

// ---- reactors

bool Node::start_reactors(std::string* error) {
  const uint32_t count = reactor_count(config_);
  fabric_ = std::make_unique<runtime::Fabric>(count);
  for (uint32_t i = 0; i < count; ++i) lanes_.push_back(std::make_unique<Lane>());
  // One after the other: the first one picks the port that all listen on.
  for (uint32_t i = 0; i < count; ++i) {
    Lane& lane = *lanes_[i];
    lane.thread = std::thread([this, i] { run(i); });
    if (!wait_for(
            lane, [&] { return lane.listening.load(); }, error))
      return false;
  }
  all_listening_.store(true, std::memory_order_release);
  for (auto& lane : lanes_) {
    if (!wait_for(
            *lane, [&] { return lane->ready.load(); }, error))
      return false;
  }
  return true;
}

template <class Reached>
bool Node::wait_for(Lane& lane, Reached reached, std::string* error) {
  while (!reached()) {
    if (lane.failed.load(std::memory_order_acquire)) {
      *error = lane.error;
      return false;
    }
    timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return true;
}

bool Node::prepare(Lane& lane, uint32_t index) {
  lane.io = net::make_uring_io(net::UringOptions{}, &lane.error);
  if (lane.io == nullptr) return false;
  runtime::ReactorOptions options;
  options.index = index;
  options.shard.shards = shards_;
  options.shard.redactor = redactor_;
  options.tail_bytes = static_cast<size_t>(config_.storage.tail_cache_bytes);
  options.months = months_;
  options.dedicated_tenants = static_cast<size_t>(config_.storage.dedicated_tenants);
  options.shard.retention_interval_us = config_.storage.retention_check_us;
  options.shard.retention_max_pin_us = config_.storage.retention_max_pin_us;
  net::Io* io = lane.io.get();
  if (speaks_tls("native")) {
    net::TlsIoOptions tls;
    tls.handshake_us = config_.limits.handshake_us;
    lane.tls_io = net::make_tls_io(io, tls_.get(), tls);
    io = lane.tls_io.get();
  }
  lane.reactor = std::make_unique<runtime::Reactor>(options, io, store_.get(), fabric_.get());
  native::ServerOptions server;
  server.version = kVersion;
  server.cluster_id = cluster_id_;
  server.live = live_options(config_);
  server.in_flight_bytes_per_connection =
      static_cast<size_t>(config_.limits.connection_in_flight_bytes);
  server.receive_bytes = static_cast<size_t>(config_.limits.receive_bytes);
  server.handshake_us = config_.limits.handshake_us;
  server.idle_us = config_.limits.idle_us;
  server.max_batch_bytes = static_cast<uint32_t>(config_.limits.batch_bytes);
  server.anonymous = anonymous_rule(config_, wanted_);
  lane.server = std::make_unique<native::Server>(lane.reactor.get(), server);
  const net::Endpoint wanted = index == 0 ? wanted_ : bound_;
  net::Endpoint bound;
  int failure = index == 0 ? net::check_unused(wanted) : 0;
  if (failure == 0) failure = lane.server->listen(wanted, &bound);
  if (failure != 0) {
    lane.error = "cannot listen on " + wanted.to_string() + ": " + std::strerror(failure);
    if (failure == EADDRINUSE) {
      lane.error += "; another process has this port: choose another one, or 0 for any";
    }
    return false;
  }
  bound_ = bound;
  return true;
}

void Node::run(uint32_t index) {
  Lane& lane = *lanes_[index];
  pthread_setname_np(pthread_self(), ("reactor-" + std::to_string(index)).c_str());
  if (!prepare(lane, index)) {
    lane.failed.store(true, std::memory_order_release);
    return;
  }
  lane.listening.store(true, std::memory_order_release);
  // Reactors talk through mailboxes from the first turn on: wait until all of them exist.
  while (!all_listening_.load(std::memory_order_acquire)) {
    timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  lane.reactor->start();
  while (!all_finished_.load(std::memory_order_acquire)) {
    lane.reactor->run_once();
    if (!lane.ready.load(std::memory_order_relaxed) && lane.reactor->ready()) {
      lane.ready.store(true, std::memory_order_release);
    }
  }
}

// ---- the end

bool Node::stop() {
  if (admin_ != nullptr) admin_->begin_drain();
  const int64_t deadline_us = config_.broker.drain_deadline_us;
  all_listening_.store(true, std::memory_order_release);
  bool clean = true;
  for (auto& lane : lanes_) {
    if (lane->ready.load()) lane->reactor->request_drain(deadline_us);
  }
  for (auto& lane : lanes_) {
    while (lane->ready.load() && !lane->reactor->finished()) {
      timespec pause{0, 1'000'000};
      nanosleep(&pause, nullptr);
    }
    if (lane->ready.load()) clean = clean && !lane->reactor->cut_off();
  }
  all_finished_.store(true, std::memory_order_release);
  for (auto& lane : lanes_) {
    if (lane->io != nullptr) lane->io->wake();
    if (lane->thread.joinable()) lane->thread.join();
  }
  if (admin_ != nullptr) admin_->stop();
  store_.reset();  // completes everything that was submitted, into inboxes that still exist
  lanes_.clear();
  return clean;
}

}  // namespace headrace::broker
