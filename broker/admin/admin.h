// The HTTP side of the broker: /metrics, health and the routes of /v1. Asks the shards through
// bounded queues; never touches a shard, a ring or the database.
//
// Lives on: the HTTP server's thread, but for answers, which are finished there too (post).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/admin/idempotency.h"
#include "broker/admin/members.h"
#include "broker/admin/rate.h"
#include "broker/live_settings.h"
#include "broker/runtime/gather.h"
#include "broker/runtime/key_uses.h"
#include "broker/runtime/reactor.h"
#include "metrics/registry.h"
#include "net/http/server.h"
#include "storage/fair_bound.h"
#include "storage/rocks/rocks_store.h"

namespace headrace::admin {

// One more listener.
struct Door {
  http::ServerOptions http;
  core::AnonymousRule anonymous;
};

// Runs the node's reload and answers with what became of it, on any thread; false: too many wait.
using AskReload = std::function<bool(std::function<void(const broker::ReloadReport&)>)>;

struct AdminOptions {
  std::string version;
  std::string cluster_id;
  broker::Config config;  // what is in use; adopt() renews it
  AskReload reload;
  std::shared_ptr<const Redactor> redactor;  // of what people are shown
  uint32_t default_partitions = 1;           // of topics that do not say
  core::Retention default_retention;
  uint32_t max_batch_bytes = 16u << 20;
  core::AnonymousRule anonymous;
  http::ServerOptions http;
  std::optional<Door> metrics;  // an address of its own for /metrics and health
};

// Of about the last ten seconds (rate.h).
struct Recent {
  double published_per_s = 0;  // events
  double failure_ratio = 0;    // of the attempts of acked groups
};

struct Route;

class Admin final : public http::Handler {
 public:
  Admin(const AdminOptions& options, std::vector<runtime::Reactor*> reactors,
        storage::RocksStore* store);
  ~Admin() override;

  bool start(std::string* error);
  void begin_drain() { draining_.store(true, std::memory_order_relaxed); }
  void stop();
  std::string url() const { return server_->url(); }
  std::string metrics_url() const;  // of the address of its own; empty: it has none
  // The live settings, their defaults of topics included. Any thread.
  void adopt(const broker::Config& config, const core::Retention& default_retention);

  void handle(http::Request&& request, http::Respond respond) override;

  // ---- for routes
  using Gathered = std::function<void(std::vector<core::RequestPtr>)>;
  // Asks; `done` runs on the HTTP thread.
  void ask(std::vector<core::RequestPtr> questions, Gathered done);
  // On the HTTP thread; dropped if it has stopped. Any thread.
  void post(std::function<void()> work) { server_->post(std::move(work)); }
  const AdminOptions& options() const { return options_; }
  const std::vector<runtime::Reactor*>& reactors() const { return reactors_; }
  storage::RocksStore& store() { return *store_; }
  metrics::Registry& registry() { return registry_; }
  Recent recent(int64_t now_mono_us);
  uint32_t next_lane() { return next_lane_++; }  // of events without a key, in turn
  Members& members();
  // One of the requests that wait for events: until the last copy is gone. Null: too many wait.
  // They are at most half of all requests, so that others are answered meanwhile, and that half is
  // shared by tenants (storage/fair_bound.h).
  using WaitSlot = std::shared_ptr<void>;
  WaitSlot begin_wait(TenantId tenant);
  // How long a request of now may wait, of what it wants: it must be answered in time.
  int64_t bounded_wait_us(int64_t wanted_us) const;
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

 private:
  struct Visit;
  class MetricsDoor;
  void serve(http::Request&& request, http::Respond respond, const core::AnonymousRule& anonymous);
  void enter(std::shared_ptr<Visit> visit);
  void let_in(const std::shared_ptr<Visit>& visit);
  void watch_members();
  void note_key_use(const core::TenantContext& who, int64_t now_mono_us);
  void run_once_per_key(const std::shared_ptr<Visit>& visit, const core::TenantContext& who);

  AdminOptions options_;  // the HTTP thread's, once it has started
  const std::vector<runtime::Reactor*> reactors_;
  storage::RocksStore* const store_;
  metrics::Registry registry_;
  uint32_t next_lane_ = 0;
  Members members_;
  bool watching_members_ = false;
  FairBound waits_;
  Idempotency idempotency_;
  runtime::KeyUses key_uses_;
  Rate published_;
  Rate acked_;
  Rate failed_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<MetricsDoor> metrics_door_;
};

// busy, when begin_wait() gives none.
core::Error too_many_waits();

}  // namespace headrace::admin
