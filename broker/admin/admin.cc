#include "broker/admin/admin.h"

#include <algorithm>

#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_access.h"
#include "broker/limits.h"
#include "metrics/counters.h"

namespace headrace::admin {

// One request until it is known who asks.
struct Admin::Visit {
  const Route* route;
  http::Request request;
  PathParameters parameters;
  http::Respond respond;
  core::AnonymousRule anonymous;
  core::CatalogPtr catalog;
  int64_t now_us = 0;

  void fail(const core::Error& error) const {
    http::Response response = problem(error);
    if (error.code == core::ErrorCode::unauthenticated) {
      response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"headrace\"");
    }
    respond(std::move(response));
  }
  void run(Admin* admin, core::TenantContext who) {
    route->run(std::make_shared<Call>(*admin, std::move(who), route->permission, std::move(catalog),
                                      now_us, std::move(request), std::move(parameters),
                                      std::move(respond)));
  }
};

namespace {

core::Error credentials_of(const http::Request& request, core::Credentials* credentials) {
  if (const auto given = request.header("Authorization")) {
    constexpr std::string_view kScheme = "bearer ";
    const bool bearer =
        given->size() > kScheme.size() &&
        std::equal(kScheme.begin(), kScheme.end(), given->begin(), [](char a, char b) {
          return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
        });
    if (!bearer) {
      return {core::ErrorCode::unauthenticated, "Authorization: Bearer and an API key"};
    }
    credentials->api_key = given->substr(kScheme.size());
  }
  const auto text = [&](std::string_view name) {
    return std::string(request.header(name).value_or(""));
  };
  credentials->subject = request.peer_subject;
  credentials->tenant = text("Headrace-Tenant");
  credentials->as_tenant = text("Headrace-As-Tenant");
  credentials->reason = text("Headrace-Reason");
  return {};
}

// What names the caller, the tenant or the kind of the request must not be there twice: whoever
// stands before this broker may have looked at the other one.
core::Error check_headers(const http::Request& request) {
  for (const std::string_view name :
       {"Authorization", "Content-Type", "Headrace-Tenant", "Headrace-As-Tenant", "Headrace-Reason",
        "Idempotency-Key", "If-Match", "If-None-Match"}) {
    if (request.count(name) > 1) {
      return {core::ErrorCode::invalid_request, std::string(name) + ": is given more than once"};
    }
  }
  return {};
}

// A web page may have its own name point to this machine's loopback address, and then send what it
// wants to whoever is let in there without credentials (DNS rebinding). It cannot name an address.
bool names_this_machine(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.rfind(':'));
  const bool address = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return (address && !host.empty()) || host == "localhost" || host.ends_with(".localhost");
}

core::Error check_host(const http::Request& request, const core::AnonymousRule& rule) {
  const auto host = request.header("Host");
  const bool known = request.header("Authorization") || !request.peer_subject.empty();
  if (!rule.loopback || known || !host || names_this_machine(*host)) return {};
  return {core::ErrorCode::misdirected,
          "without credentials, Host must be localhost or an address"};
}

bool takes_query(const Route& route) {
  return route.method == "GET" || route.run == &publish_event || route.run == &receive_deliveries;
}

// A route that is not here reads its body itself, if its method may have one.
bool takes_no_body(const Route& route) {
  return route.method == "DELETE" && route.run != &delete_tenant && route.run != &revoke_key;
}

// Before anybody is let in: what is wrong whoever asks.
core::Error check_request(const Route& route, const http::Request& request,
                          const core::AnonymousRule& rule) {
  core::Error error = check_headers(request);
  if (!error && route.permission != core::Permission::open) error = check_host(request, rule);
  if (error) return error;
  if (request.header("Content-Encoding").value_or("identity") != "identity") {
    return {core::ErrorCode::unsupported_media_type, "without Content-Encoding"};
  }
  // A web page may send a POST to any address, but of this type only with the broker's consent,
  // which it does not give (fetch.spec.whatwg.org, CORS-safelisted request headers). What publishes
  // decides by itself.
  if (route.run != &publish_event && (route.method == "POST" || !request.body.empty()) &&
      !request.content_is("application/json")) {
    return core::Error(core::ErrorCode::unsupported_media_type);
  }
  if (!takes_query(route)) error = Query(request).finish();
  if (!error && takes_no_body(route)) error = Body(request).finish();
  return error;
}

}  // namespace

// The listener of metrics.listen: what a scraper needs, answered by the admin side's thread.
class Admin::MetricsDoor final : public http::Handler {
 public:
  MetricsDoor(Admin* admin, Door door) : admin_(admin), door_(std::move(door)) {}

  bool start(std::string* error) {
    server_ = http::Server::start(door_.http, this, error);
    return server_ != nullptr;
  }
  void stop() { server_->stop(); }
  std::string url() const { return server_->url(); }

  void handle(http::Request&& request, http::Respond respond) override {
    constexpr std::string_view kServed[] = {"/metrics", "/healthz", "/readyz"};
    if (std::ranges::count(kServed, request.path) == 0) {
      return respond(problem({core::ErrorCode::unknown_path, "metrics.listen serves /metrics"}));
    }
    auto moved = std::make_shared<http::Request>(std::move(request));
    admin_->server_->post([this, moved, respond = std::move(respond)] {
      admin_->serve(std::move(*moved), respond, door_.anonymous);
    });
  }

 private:
  Admin* const admin_;
  const Door door_;
  std::unique_ptr<http::Server> server_;
};

Admin::Admin(const AdminOptions& options, std::vector<runtime::Reactor*> reactors,
             storage::RocksStore* store)
    : options_(options),
      reactors_(std::move(reactors)),
      store_(store),
      registry_(static_cast<size_t>(options.config.metrics.max_series)),
      members_([this](core::RequestPtr question, Members::Done done) {
        std::vector<core::RequestPtr> questions;
        questions.push_back(std::move(question));
        ask(std::move(questions), [done = std::move(done)](std::vector<core::RequestPtr> answers) {
          done(std::move(answers[0]));
        });
      }),
      waits_((options.http.max_in_flight + 1) / 2) {}

Admin::~Admin() = default;

bool Admin::start(std::string* error) {
  server_ = http::Server::start(options_.http, this, error);
  if (server_ == nullptr || !options_.metrics) return server_ != nullptr;
  metrics_door_ = std::make_unique<MetricsDoor>(this, *options_.metrics);
  return metrics_door_->start(error);
}

void Admin::stop() {
  if (metrics_door_ != nullptr) metrics_door_->stop();
  if (server_ != nullptr) server_->stop();
}

std::string Admin::metrics_url() const {
  return metrics_door_ != nullptr ? metrics_door_->url() : "";
}

void Admin::adopt(const broker::Config& config, const core::Retention& default_retention) {
  server_->post([this, config, default_retention] {
    options_.config = config;
    options_.default_partitions = static_cast<uint32_t>(config.topics.partitions);
    options_.default_retention = default_retention;
    registry_.set_max_series(static_cast<size_t>(config.metrics.max_series));
  });
}

Recent Admin::recent(int64_t now_mono_us) {
  using metrics::Counter;
  const auto rate = [now_mono_us](Rate* of, Counter counter) {
    return of->per_second(now_mono_us, metrics::total(counter));
  };
  Recent recent;
  recent.published_per_s = rate(&published_, Counter::publish_events);
  const double acked = rate(&acked_, Counter::group_acks);
  const double failed = rate(&failed_, Counter::group_failures);
  if (failed > 0) recent.failure_ratio = failed / (acked + failed);
  return recent;
}

void Admin::handle(http::Request&& request, http::Respond respond) {
  serve(std::move(request), std::move(respond), options_.anonymous);
}

void Admin::serve(http::Request&& request, http::Respond respond,
                  const core::AnonymousRule& anonymous) {
  PathParameters parameters;
  std::string allowed;
  const Route* route = find_route(request, &parameters, &allowed);
  if (route != nullptr) {
    const core::Error error = check_request(*route, request, anonymous);
    if (error) return respond(problem(error));
  }
  if (route != nullptr) {
    return enter(std::make_shared<Visit>(Visit{route, std::move(request), std::move(parameters),
                                               std::move(respond), anonymous, nullptr, 0}));
  }
  if (allowed.empty()) return respond(problem({core::ErrorCode::unknown_path, ""}));
  http::Response response =
      problem({core::ErrorCode::method_not_allowed, request.path + " serves " + allowed});
  response.headers.emplace_back("Allow", allowed);
  respond(std::move(response));
}

// ---- who asks

void Admin::enter(std::shared_ptr<Visit> visit) {
  if (visit->route->permission == core::Permission::open) {
    return visit->run(this, core::Access::nobody());
  }
  std::vector<core::RequestPtr> questions;
  auto question = std::make_unique<core::ShardStats>(core::Access::node(kNodeTenant));
  question->shard = kMetaShard;
  question->only_catalog = true;
  questions.push_back(std::move(question));
  ask(std::move(questions), [this, visit](std::vector<core::RequestPtr> answers) {
    if (answers[0]->error) return visit->fail(answers[0]->error);
    auto& known = core::as<core::ShardStats>(*answers[0]);
    visit->catalog = known.catalog;
    visit->now_us = known.now_us;
    if (visit->catalog->version == 0) {
      return visit->fail({core::ErrorCode::loading, "the catalog"});
    }
    let_in(visit);
  });
}

void Admin::let_in(const std::shared_ptr<Visit>& visit) {
  using core::Permission;
  const Permission permission = visit->route->permission;
  core::TenantContext who = core::Access::nobody();
  core::Credentials credentials;
  core::Error error = credentials_of(visit->request, &credentials);
  if (!error) {
    error =
        core::Access::enter(*visit->catalog, visit->anonymous, credentials, visit->now_us, &who);
  }
  if (error && permission == Permission::metrics && credentials.none()) {
    return visit->run(this, core::Access::nobody());  // node-wide series, without names
  }
  if (error) {
    metrics::add(metrics::Counter::access_refused);
    return visit->fail(error);
  }
  note_key_use(who, visit->request.received_mono_us);
  if (!who.may(permission)) return visit->fail(who.require(permission));
  if (who.reason().empty()) return run_once_per_key(visit, who);
  // The tenant's audit trail tells it before anything is done.
  auto note = std::make_unique<core::NoteAction>(who);
  note->shard = kMetaShard;
  note->object = visit->request.method + " " + visit->request.path;
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(note));
  ask(std::move(questions), [this, visit, who](std::vector<core::RequestPtr> answers) {
    if (answers[0]->error) return visit->fail(answers[0]->error);
    run_once_per_key(visit, who);
  });
}

// For `last used`. Nobody waits for the answer.
void Admin::note_key_use(const core::TenantContext& who, int64_t now_mono_us) {
  core::RequestPtr note = key_uses_.note(who, now_mono_us);
  if (note == nullptr) return;
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(note));
  ask(std::move(questions), [](std::vector<core::RequestPtr>) {});
}

void Admin::run_once_per_key(const std::shared_ptr<Visit>& visit, const core::TenantContext& who) {
  const auto given = visit->request.header("Idempotency-Key");
  if (!given || visit->route->method == "GET") return visit->run(this, who);
  if (const core::Error error = Idempotency::check(*given)) return visit->fail(error);
  const int64_t now_us = visit->request.received_mono_us;
  const Idempotency::Key key{who.tenant(), Idempotency::caller_of(who), std::string(*given)};
  http::Response kept;
  const core::Error error =
      idempotency_.begin(key, Idempotency::fingerprint(visit->request), now_us, &kept);
  if (error) return visit->fail(error);
  if (kept.status != 0) return visit->respond(std::move(kept));
  visit->respond = [this, key, now_us, respond = visit->respond](http::Response response) {
    idempotency_.finish(key, response, now_us);
    respond(std::move(response));
  };
  visit->run(this, who);
}

// ---- who waits

// The last copy may go on a reactor; what is counted is the HTTP thread's.
Admin::WaitSlot Admin::begin_wait(TenantId tenant) {
  if (!waits_.admits(tenant)) return nullptr;
  waits_.add(tenant);
  return {this, [this, tenant](void*) { post([this, tenant] { waits_.remove(tenant); }); }};
}

core::Error too_many_waits() {
  core::Error error(core::ErrorCode::busy, "too many requests of the tenant wait for events");
  error.retry_after_ms = 1'000;
  return error;
}

int64_t Admin::bounded_wait_us(int64_t wanted_us) const {
  return std::min(wanted_us, options_.http.respond_timeout_us * 3 / 4);
}

Members& Admin::members() {
  watch_members();
  return members_;
}

// Who is idle too long leaves, also when no other request comes.
void Admin::watch_members() {
  if (watching_members_) return;
  watching_members_ = true;
  server_->after(limits::kHttpMemberIdleUs / 3, [this] {
    watching_members_ = false;
    members_.sweep(http::now_mono_us());
    if (members_.size() > 0) watch_members();
  });
}

// ---- questions

void Admin::ask(std::vector<core::RequestPtr> questions, Gathered done) {
  // The last answer arrives on a reactor: hand it over at once, the work is the HTTP thread's.
  auto* server = server_.get();
  runtime::Gather::begin(reactors_.front(), std::move(questions),
                         [server, done = std::move(done)](std::vector<core::RequestPtr> answers) {
                           auto shared =
                               std::make_shared<std::vector<core::RequestPtr>>(std::move(answers));
                           server->post([done, shared] { done(std::move(*shared)); });
                         });
}

}  // namespace headrace::admin
