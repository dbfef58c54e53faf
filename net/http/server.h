// The HTTP/1.1 server: Boost.Beast on one thread of its own, asynchronous, bounded in everything.
// It knows bytes and limits; what a path means is the handler's business.
//
// What a full or hostile client gets:
//   connections full            503 with Retry-After, closed
//   requests in flight full     503 with Retry-After, connection stays
//   header too large            431    body too large  413    not HTTP  400    all closed
//   header or body not in time  closed without an answer (a slow sender costs one bounded slot)
//   no TLS handshake in time    closed; HTTP without TLS where it is expected  400, closed
//   handler silent too long     504; its late answer is dropped
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "net/http/message.h"
#include "net/tls/context.h"

namespace headrace::http {

// Takes the answer, from any thread, now or later. The first call counts. A request whose Respond
// is destroyed without a call is answered 500. Harmless after the server has stopped.
using Respond = std::function<void(Response)>;

class Handler {
 public:
  virtual ~Handler() = default;
  // On the server's thread; must not block. An exception that escapes is logged and answered 500.
  virtual void handle(Request&& request, Respond respond) = 0;
};

struct ServerOptions {
  std::string host = "127.0.0.1";  // numeric address, or "localhost"
  uint16_t port = 0;               // 0: the system picks one
  // nullptr: plain HTTP. Else the certificate of new connections; loaded, and outlives the server.
  const net::TlsServerContext* tls = nullptr;
  int64_t handshake_timeout_us = 2'000'000;  // of TLS
  size_t max_connections = 256;
  size_t max_in_flight = 64;
  uint32_t max_header_bytes = 16 * 1024;
  uint64_t max_body_bytes = 1024 * 1024;
  int64_t header_timeout_us = 5'000'000;    // from the first byte (or the accept) to the last one
  int64_t body_timeout_us = 30'000'000;     // also for writing an answer
  int64_t idle_timeout_us = 30'000'000;     // between two requests of one connection
  int64_t respond_timeout_us = 30'000'000;  // for the handler
  int64_t stop_grace_us = 2'000'000;        // for requests in flight when the server stops
};

class ServerCore;

class Server {
 public:
  // Listens and starts the thread. On failure nullptr and a sentence in *error that names the
  // address and the cause. `handler` outlives the server.
  static std::unique_ptr<Server> start(const ServerOptions& options, Handler* handler,
                                       std::string* error);
  ~Server();  // stop()

  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }
  std::string url() const;  // "http://127.0.0.1:7480", "https://…"

  // Runs `work` on the server's thread; dropped if the server has stopped. Any thread.
  void post(std::function<void()> work);
  // Likewise, after `delay_us`; one at a time, a later call takes its place. On the server's
  // thread.
  void after(int64_t delay_us, std::function<void()> work);

  // Stops accepting, closes idle connections, gives requests in flight the grace, joins the
  // thread. Not from the server's own thread. Repeating it does nothing.
  void stop();

 private:
  Server() = default;

  std::string host_;
  uint16_t port_ = 0;
  std::shared_ptr<ServerCore> core_;
  std::thread thread_;
};

}  // namespace headrace::http
