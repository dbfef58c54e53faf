#include "net/http/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <chrono>

namespace headrace::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;

// The steps of one call; each starts the next. Lives on call()'s stack while it runs the
// io_context.
class Exchange {
 public:
  Exchange(const Url& url, const Call& what) : url_(url), what_(what) {
    parser_.body_limit(what.max_response_bytes);
    if (what.method == "HEAD") parser_.skip(true);
    request_.method_string(what.method);
    request_.target(url.base_path + what.target);
    request_.version(11);
    request_.keep_alive(false);
    const bool v6 = url.host.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + url.host + "]" : url.host;
    request_.set(beast::http::field::host, host + ":" + std::to_string(url.port));
    request_.set(beast::http::field::user_agent, "headrace");
    for (const auto& [name, value] : what.headers) request_.set(name, value);
    if (!what.body.empty()) request_.set(beast::http::field::content_type, what.content_type);
    request_.body() = what.body;
    request_.prepare_payload();
  }

  void run() {
    resolver_.async_resolve(url_.host, std::to_string(url_.port),
                            [this](beast::error_code failure, const auto& found) {
                              if (!failed("resolve", failure)) connect(found);
                            });
    io_.run_for(std::chrono::microseconds(what_.timeout_us));
    if (!io_.stopped() && !done_) failed("get an answer in time from", asio::error::timed_out);
  }

  bool done() const { return done_; }
  const std::string& error() const { return error_; }

  Response take() {
    auto& message = parser_.get();
    Response response;
    response.status = message.result_int();
    for (const auto& field : message) {
      const auto name = field.name_string();
      const auto value = field.value();
      response.headers.emplace_back(std::string(name), std::string(value));
      if (field.name() == beast::http::field::content_type) {
        response.content_type = std::string(value);
      }
    }
    response.body = std::move(message.body());
    return response;
  }

 private:
  void connect(const tcp::resolver::results_type& found) {
    stream_.async_connect(found, [this](beast::error_code failure, const tcp::endpoint&) {
      if (!failed("connect to", failure)) send();
    });
  }
  void send() {
    beast::http::async_write(stream_, request_, [this](beast::error_code failure, size_t) {
      // A server may refuse a body before it has read it: its answer says more than our EPIPE.
      if (failure && !refused_early(failure))
        failed("send to", failure);
      else
        receive();
    });
  }
  void receive() {
    beast::http::async_read(stream_, buffer_, parser_, [this](beast::error_code failure, size_t) {
      done_ = !failed("read an answer from", failure);
    });
  }
  static bool refused_early(beast::error_code failure) {
    return failure == asio::error::broken_pipe || failure == asio::error::connection_reset;
  }
  bool failed(const char* step, beast::error_code failure) {
    if (!failure) return false;
    if (!error_.empty()) return true;
    error_ = std::string("cannot ") + step + " http://" + url_.host + ":" +
             std::to_string(url_.port) + ": " + failure.message();
    return true;
  }

  const Url& url_;
  const Call& what_;
  asio::io_context io_{1};
  tcp::resolver resolver_{io_};
  beast::tcp_stream stream_{io_};
  beast::http::request<beast::http::string_body> request_;
  beast::flat_buffer buffer_;
  beast::http::response_parser<beast::http::string_body> parser_;
  bool done_ = false;
  std::string error_;
};

bool take_port(std::string_view text, uint16_t* port) {
  const char* end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, *port);
  return failure == std::errc() && at == end && *port != 0;
}

}  // namespace

std::optional<Url> parse_url(std::string_view text, std::string* error) {
  constexpr std::string_view kScheme = "http://";
  *error = "'" + std::string(text) + "' is not an address such as http://127.0.0.1:7480";
  if (text.substr(0, kScheme.size()) != kScheme) return std::nullopt;
  text.remove_prefix(kScheme.size());
  Url url;
  const size_t slash = std::min(text.find('/'), text.size());
  url.base_path = std::string(text.substr(slash));
  while (!url.base_path.empty() && url.base_path.back() == '/') url.base_path.pop_back();
  std::string_view authority = text.substr(0, slash);
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  if (colon != authority.npos && (bracket == authority.npos || colon > bracket)) {
    if (!take_port(authority.substr(colon + 1), &url.port)) return std::nullopt;
    authority = authority.substr(0, colon);
  }
  if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']') {
    authority = authority.substr(1, authority.size() - 2);
  }
  if (authority.empty() || authority.find_first_of("@?# ") != authority.npos) return std::nullopt;
  url.host = std::string(authority);
  error->clear();
  return url;
}

std::optional<Response> call(const Url& url, const Call& what, std::string* error) {
  Exchange exchange(url, what);
  exchange.run();
  if (exchange.done()) return exchange.take();
  *error = exchange.error();
  return std::nullopt;
}

}  // namespace headrace::http
