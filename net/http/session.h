// Inside of the HTTP server: one connection, and what all of them share. Server thread only, but
// for Answer, which any thread may hold.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <unordered_set>

#include "net/http/server.h"
#include "net/http/stream.h"
#include "net/tls/failure_log.h"

namespace headrace::http {

class Session;

// Owns the io_context. Kept alive by the server and by every Answer, so that a late answer always
// finds an executor; sessions and pending operations never own it (no cycle).
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(const ServerOptions& wanted, Handler* request_handler)
      : options(wanted), handler(request_handler) {}

  bool listen(std::string* error);
  tcp::endpoint bound() const { return bound_; }
  void run();
  void begin_stop();  // on the server's thread
  void session_ended(Session* session);
  void after(int64_t delay_us, std::function<void()> work);

  const ServerOptions options;
  Handler* const handler;
  asio::io_context io{1};
  net::TlsFailureLog tls_failures;
  size_t in_flight = 0;
  bool stopping = false;

 private:
  void accept();
  void on_accepted(beast::error_code failure, tcp::socket socket);

  tcp::acceptor acceptor_{io};
  asio::steady_timer timer_{io};  // pause after a failed accept; later the grace of stop
  asio::steady_timer later_{io};  // of after()
  tcp::endpoint bound_;
  std::unordered_set<Session*> sessions_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `refused`: the server is full; the one request gets 503 and the connection ends.
  Session(ServerCore* core, tcp::socket socket, bool refused);
  ~Session();

  void start();
  void stop(bool at_once);  // idle: closed now; busy: after its answer, or now too if `at_once`
  void answered(uint64_t request_number, Response response);

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;

  void on_first_bytes();
  void handshake();
  void on_handshake(beast::error_code failure, size_t taken);
  void refuse_plain();
  void wait_for_next();
  void read_header();
  void on_header(beast::error_code failure);
  void send_continue();
  void read_body();
  void on_read_failure(beast::error_code failure);
  void dispatch();
  bool fill_request(Request* request);
  bool hung_up();
  void fail(int status, std::string_view code, std::string_view detail);
  void write(Response response, bool close_after);
  template <class Body>
  void write_message(Response&& response, bool keep_alive);
  void on_written(beast::error_code failure, bool keep_alive);
  void linger();
  void end_output();
  void drain();
  void close();
  void release_slot();

  ServerCore* const core_;
  Stream stream_;
  asio::steady_timer respond_timer_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string peer_;
  bool from_loopback_ = false;
  std::string peer_subject_;
  const bool refused_;
  bool waiting_ = false;    // between requests
  bool in_flight_ = false;  // counted in core_->in_flight
  uint64_t request_number_ = 0;
  size_t drained_bytes_ = 0;
};

}  // namespace headrace::http
