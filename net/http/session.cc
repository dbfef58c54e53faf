#include "net/http/session.h"

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <type_traits>

#include "metrics/log.h"
#include "net/http/target.h"
#include "net/tls/explain.h"

namespace headrace::http {
namespace {

constexpr auto kLingerTime = std::chrono::milliseconds(1000);
constexpr auto kLingerTimeAtStop = std::chrono::milliseconds(50);
constexpr size_t kLingerBytes = 1024 * 1024;
constexpr size_t kFirstReadBytes = 4096;

std::chrono::microseconds micros(int64_t us) {
  return std::chrono::microseconds(us);
}

std::string text_of(beast::string_view text) {
  return {text.data(), text.size()};
}

// The one answer of one request, wherever its handler carries it.
class Answer {
 public:
  Answer(std::weak_ptr<Session> session, std::shared_ptr<ServerCore> core, uint64_t number)
      : session_(std::move(session)), core_(std::move(core)), number_(number) {}
  ~Answer() { give(problem(500, "internal", "the broker dropped this request; this is a bug")); }

  void give(Response response) {
    if (given_.exchange(true)) return;
    asio::post(core_->io,
               [session = session_, number = number_, kept = std::move(response)]() mutable {
                 if (const auto living = session.lock()) living->answered(number, std::move(kept));
               });
  }

 private:
  const std::weak_ptr<Session> session_;
  const std::shared_ptr<ServerCore> core_;
  const uint64_t number_;
  std::atomic<bool> given_{false};
};

Response busy(std::string_view what) {
  Response response = problem(503, "busy", what);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

// Values come from requests at times; a line break in one would forge a header.
std::string header_value(std::string value) {
  for (char& c : value) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return value;
}

}  // namespace

Session::Session(ServerCore* core, tcp::socket socket, bool refused)
    : core_(core), stream_(std::move(socket)), respond_timer_(core->io), refused_(refused) {
  beast::error_code ignored;
  stream_.socket().set_option(tcp::no_delay(true), ignored);
  const tcp::endpoint peer = stream_.socket().remote_endpoint(ignored);
  peer_ = peer.address().to_string() + ":" + std::to_string(peer.port());
  from_loopback_ = !ignored && peer.address().is_loopback();
}

Session::~Session() {
  release_slot();
  core_->session_ended(this);
}

void Session::release_slot() {
  if (!in_flight_) return;
  in_flight_ = false;
  --core_->in_flight;
}

void Session::stop(bool at_once) {
  if (!waiting_ && !at_once) return;
  respond_timer_.cancel();
  close();
}

void Session::close() {
  beast::error_code ignored;
  stream_.socket().close(ignored);
}

void Session::start() {
  if (core_->options.tls == nullptr) return read_header();
  stream_.expires_after(micros(core_->options.handshake_timeout_us));
  stream_.raw().async_read_some(
      buffer_.prepare(kFirstReadBytes),
      [self = shared_from_this()](beast::error_code failure, size_t size) {
        if (failure) return;
        self->buffer_.commit(size);
        self->on_first_bytes();
      });
}

void Session::on_first_bytes() {
  const auto first = *static_cast<const unsigned char*>(buffer_.data().data());
  if (net::begins_tls(first)) return handshake();
  core_->tls_failures.note(peer_, "the client does not speak TLS: its URL must begin with https://",
                           now_mono_us());
  refuse_plain();
}

// In plain text, so that whoever forgot the s of https can read why.
void Session::refuse_plain() {
  auto answer = std::make_shared<std::string>(
      "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
      "Connection: close\r\n");
  const Response why =
      problem(400, "invalid_request", "this port speaks TLS: the URL must begin with https://");
  *answer += "Content-Length: " + std::to_string(why.body.size()) + "\r\n\r\n" + why.body;
  asio::async_write(stream_.raw(), asio::buffer(*answer),
                    [self = shared_from_this(), answer](beast::error_code failure, size_t) {
                      if (!failure) self->linger();
                    });
}

void Session::handshake() {
  stream_.begin_tls(core_->options.tls->current());
  stream_.accept_tls(buffer_, [self = shared_from_this()](beast::error_code failure, size_t taken) {
    self->on_handshake(failure, taken);
  });
}

void Session::on_handshake(beast::error_code failure, size_t taken) {
  if (failure) {
    const bool late = failure == beast::error::timeout;
    const bool of_tls = failure.category() == asio::error::get_ssl_category();
    const auto code = static_cast<unsigned long>(failure.value());
    const std::string why = late     ? "no handshake within the handshake time"
                            : of_tls ? net::explain_handshake_failure(stream_.ssl(), code)
                                     : "the client broke off: " + failure.message();
    core_->tls_failures.note(peer_, why, now_mono_us());
    if (of_tls) linger();
    return;
  }
  buffer_.consume(taken);
  peer_subject_ = net::peer_subject_of(stream_.ssl());
  read_header();
}

void Session::wait_for_next() {
  if (core_->stopping) return close();
  if (buffer_.size() > 0) return read_header();
  waiting_ = true;
  stream_.expires_after(micros(core_->options.idle_timeout_us));
  stream_.async_read_some(buffer_.prepare(kFirstReadBytes),
                          [self = shared_from_this()](beast::error_code failure, size_t size) {
                            self->waiting_ = false;
                            if (failure) return;
                            self->buffer_.commit(size);
                            self->read_header();
                          });
}

void Session::read_header() {
  parser_.emplace();
  parser_->header_limit(core_->options.max_header_bytes);
  parser_->body_limit(core_->options.max_body_bytes);
  stream_.expires_after(micros(core_->options.header_timeout_us));
  beast::http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](beast::error_code failure, size_t) { self->on_header(failure); });
}

void Session::on_header(beast::error_code failure) {
  if (failure) return on_read_failure(failure);
  if (refused_) return write(busy("the broker has too many HTTP connections"), true);
  // Another coding would leave it open where the body ends, and what comes behind it would be read
  // as a request.
  const auto coding = parser_->get()[beast::http::field::transfer_encoding];
  if (!coding.empty() && !beast::iequals(coding, "chunked")) {
    return fail(501, "unsupported", "Transfer-Encoding may be chunked and nothing else");
  }
  const bool expects = beast::iequals(parser_->get()[beast::http::field::expect], "100-continue");
  if (expects && !parser_->is_done()) return send_continue();
  read_body();
}

void Session::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = shared_from_this()](beast::error_code failure, size_t) {
                      if (!failure) self->read_body();
                    });
}

void Session::read_body() {
  if (parser_->is_done()) return dispatch();
  stream_.expires_after(micros(core_->options.body_timeout_us));
  beast::http::async_read(stream_, buffer_, *parser_,
                          [self = shared_from_this()](beast::error_code failure, size_t) {
                            if (failure) return self->on_read_failure(failure);
                            self->dispatch();
                          });
}

void Session::on_read_failure(beast::error_code failure) {
  using Error = beast::http::error;
  if (failure == Error::header_limit || failure == Error::buffer_overflow) {
    return fail(431, "too_large",
                "the request's header is above " + std::to_string(core_->options.max_header_bytes) +
                    " bytes");
  }
  if (failure == Error::body_limit) {
    return fail(
        413, "too_large",
        "the request's body is above " + std::to_string(core_->options.max_body_bytes) + " bytes");
  }
  const bool hung_up = failure == Error::end_of_stream || failure == Error::partial_message;
  if (hung_up || failure.category() != beast::http::make_error_code(Error::bad_method).category()) {
    return;  // gone or too slow: nobody reads an answer
  }
  fail(400, "bad_frame", "the bytes are not an HTTP request: " + failure.message());
}

void Session::fail(int status, std::string_view code, std::string_view detail) {
  log::debug("HTTP request refused", {{"peer", peer_}, {"status", status}, {"cause", detail}});
  write(problem(status, code, detail), true);
}

bool Session::fill_request(Request* request) {
  const auto& message = parser_->get();
  // More than one could be read differently by whoever stands before this server (RFC 9112, 3.2).
  const auto hosts = message.count(beast::http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) return false;
  if (!parse_target(text_of(message.target()), request)) return false;
  const bool head = message.method() == beast::http::verb::head;
  request->method = head ? "GET" : text_of(message.method_string());
  for (const auto& field : message) {
    request->headers.emplace_back(text_of(field.name_string()), text_of(field.value()));
  }
  request->peer = peer_;
  request->from_loopback = from_loopback_;
  request->peer_subject = peer_subject_;
  request->hung_up = [session = weak_from_this()] {
    const auto living = session.lock();
    return living == nullptr || living->hung_up();
  };
  return true;
}

// Looks, takes nothing: a next request that was sent ahead stays where it is.
bool Session::hung_up() {
  char byte = 0;
  const ssize_t got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void Session::dispatch() {
  Request request;
  if (!fill_request(&request)) {
    return fail(400, "invalid_request",
                "the request's target must be a path that starts with /, "
                "percent-encoded UTF-8, and it must have one Host");
  }
  if (core_->in_flight >= core_->options.max_in_flight) {
    return write(busy("the broker has too many HTTP requests in flight"), false);
  }
  request.body = std::move(parser_->get().body());
  request.received_mono_us = now_mono_us();
  ++core_->in_flight;
  in_flight_ = true;
  const uint64_t number = ++request_number_;
  respond_timer_.expires_after(micros(core_->options.respond_timeout_us));
  respond_timer_.async_wait([self = shared_from_this(), number](beast::error_code cancelled) {
    if (cancelled) return;
    self->answered(number, problem(504, "timed_out", "the broker did not answer in time"));
  });
  const auto answer = std::make_shared<Answer>(weak_from_this(), core_->shared_from_this(), number);
  try {
    core_->handler->handle(std::move(request),
                           [answer](Response response) { answer->give(std::move(response)); });
  } catch (const std::exception& failure) {
    log::error("HTTP handler failed", {{"cause", failure.what()}});
    answer->give(problem(500, "internal", "a bug in the broker; its log names the cause"));
  }
}

void Session::answered(uint64_t request_number, Response response) {
  if (!in_flight_ || request_number != request_number_) return;
  release_slot();
  respond_timer_.cancel();
  write(std::move(response), false);
}

void Session::write(Response response, bool close_after) {
  const bool keep_alive = !close_after && !core_->stopping && parser_->keep_alive();
  const bool head = parser_->get().method() == beast::http::verb::head;
  const bool bodiless = head || response.status == 204 || response.status == 304;
  if (bodiless) return write_message<beast::http::empty_body>(std::move(response), keep_alive);
  write_message<beast::http::string_body>(std::move(response), keep_alive);
}

template <class Body>
void Session::write_message(Response&& response, bool keep_alive) {
  auto message = std::make_shared<beast::http::response<Body>>();
  message->result(static_cast<unsigned>(response.status));
  message->version(parser_->get().version() == 10 ? 10 : 11);
  message->set(beast::http::field::content_type, header_value(response.content_type));
  for (auto& [name, value] : response.headers) message->insert(name, header_value(value));
  message->keep_alive(keep_alive);
  if (response.status != 204 && response.status != 304) {
    message->content_length(response.body.size());
  }
  if constexpr (std::is_same_v<Body, beast::http::string_body>) {
    message->body() = std::move(response.body);
  }
  stream_.expires_after(micros(core_->options.body_timeout_us));
  beast::http::async_write(
      stream_, *message,
      [self = shared_from_this(), message, keep_alive](beast::error_code failure, size_t) {
        self->on_written(failure, keep_alive);
      });
}

void Session::on_written(beast::error_code failure, bool keep_alive) {
  if (failure) return;
  if (keep_alive) return wait_for_next();
  linger();
}

// Closing with unread input would reset the connection, and the client might lose the answer: so
// take what still comes, for a while.
void Session::linger() {
  stream_.expires_after(core_->stopping ? kLingerTimeAtStop : kLingerTime);
  buffer_.clear();
  if (!stream_.encrypted()) return end_output();
  stream_.finish_tls([self = shared_from_this()](beast::error_code) { self->end_output(); });
}

void Session::end_output() {
  beast::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  drain();
}

void Session::drain() {
  stream_.raw().async_read_some(
      buffer_.prepare(kFirstReadBytes),
      [self = shared_from_this()](beast::error_code failure, size_t size) {
        self->drained_bytes_ += size;
        if (failure || self->drained_bytes_ > kLingerBytes) return;
        self->drain();
      });
}

}  // namespace headrace::http
