#include "broker/admin/admin.h"

#include "broker/admin/routes.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::admin {

std::span<const Route> routes() {
  static constexpr Route kRoutes[] = {
      {"GET", "/metrics", get_metrics, Permission::metrics},
      {"GET", "/healthz", get_healthz, Permission::open},
      {"GET", "/readyz", get_readyz, Permission::open},
      {"GET", "/v1/topics", get_topics, Permission::describe},
      {"GET", "/v1/groups", get_groups, Permission::describe},
  };
  return kRoutes;
}

http::Response problem(const core::Error& error) {
  const auto& row = core::info(error.code);
  http::Response response = http::problem(row.http_status, row.name, error.message());
  if (row.retryable) {
    const uint32_t seconds = (error.retry_after_ms + 999) / 1'000;
    response.headers.emplace_back("Retry-After", std::to_string(std::max<uint32_t>(seconds, 1)));
  }
  return response;
}

core::Error parse_page(const http::Request& request, Page* page) {
  if (auto limit = request.query_value("limit")) {
    const bool digits = !limit->empty() && limit->size() <= 3 &&
                        limit->find_first_not_of("0123456789") == std::string::npos;
    page->limit = digits ? std::stoul(*limit) : 0;
    if (page->limit < 1 || page->limit > 100) {
      return {core::ErrorCode::invalid_request, "limit: 1 to 100"};
    }
  }
  if (auto cursor = request.query_value("cursor")) page->after = *cursor;
  return {};
}

Admin::Admin(const AdminOptions& options, std::vector<runtime::Reactor*> reactors,
             storage::RocksStore* store)
    : options_(options),
      reactors_(std::move(reactors)),
      store_(store),
      registry_(options.max_series) {}

Admin::~Admin() = default;

bool Admin::start(std::string* error) {
  server_ = http::Server::start(options_.http, this, error);
  return server_ != nullptr;
}

void Admin::stop() {
  if (server_ != nullptr) server_->stop();
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
  bool path_known = false;
  for (const Route& route : routes()) {
    if (route.path != request.path) continue;
    path_known = true;
    if (route.method == request.method) return route.run(*this, request, std::move(respond));
  }
  respond(path_known
              ? http::problem(405, "method_not_allowed", request.method + " is not served here")
              : http::problem(404, "not_found", "no such path"));
}

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

void Admin::with_catalog(http::Respond respond,
                         std::function<void(core::CatalogPtr, http::Respond)> go_on) {
  auto question = std::make_unique<core::ShardStats>(core::Access::node(kDefaultTenant));
  question->shard = kMetaShard;
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(question));
  ask(std::move(questions), [respond, go_on](std::vector<core::RequestPtr> answers) {
    if (answers[0]->error) return respond(problem(answers[0]->error));
    go_on(core::as<core::ShardStats>(*answers[0]).catalog, respond);
  });
}

}  // namespace headrace::admin
