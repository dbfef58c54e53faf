// Where a client connects, as whom, and how patiently.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "client/error.h"
#include "client/tls_socket.h"
#include "headrace.pb.h"
#include "net/io.h"

namespace headrace::client {

struct ClientOptions {
  net::Endpoint server;
  TlsOptions tls;
  std::string tenant;     // empty: the caller's own
  std::string api_key;    // hr_…; empty: no credentials
  std::string user;       // a principal with a password, instead of a key
  std::string password;   // its, in UTF-8; never leaves this machine
  std::string as_tenant;  // platform admins: another tenant, whose audit trail tells it
  std::string reason;     // why; with as_tenant
  std::string name = "headrace-cpp/0.1.0";
  int64_t timeout_ms = 30'000;         // of each request, connecting again included
  int64_t connect_timeout_ms = 2'000;  // of each attempt, handshake included
  int64_t backoff_first_ms = 20;
  int64_t backoff_longest_ms = 1'000;
  uint64_t seed = 0;  // of the jitter; 0: from the clock
  // Runs on the client's thread each time that an attempt to connect failed and another follows.
  std::function<void(const Error&)> connecting_again;
};

// The first message of each connection: who connects. Codecs are the caller's to add.
proto::Hello hello_of(const ClientOptions& options);

}  // namespace headrace::client
