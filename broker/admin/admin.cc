#include "broker/admin/admin.h"

#include "broker/admin/routes.h"
#include "metrics/counters.h"

namespace headrace::admin {

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
  PathParameters parameters;
  std::string allowed;
  const Route* route = find_route(request, &parameters, &allowed);
  // A web page may send a POST to any address, but of this type only with the broker's consent,
  // which it does not give (fetch.spec.whatwg.org, CORS-safelisted request headers).
  if (route != nullptr && (route->method == "POST" || !request.body.empty()) &&
      !request.content_is("application/json")) {
    return respond(problem({core::ErrorCode::unsupported_media_type, ""}));
  }
  if (route != nullptr) {
    return route->run(std::make_shared<Call>(*this, core::Access::anonymous(), std::move(request),
                                             std::move(parameters), std::move(respond)));
  }
  if (allowed.empty()) return respond(problem({core::ErrorCode::unknown_path, ""}));
  http::Response response =
      problem({core::ErrorCode::method_not_allowed, request.path + " serves " + allowed});
  response.headers.emplace_back("Allow", allowed);
  respond(std::move(response));
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

}  // namespace headrace::admin
