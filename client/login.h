// How a client proves who it is, between hello and the broker's welcome: nothing, or SCRAM-SHA-256.
//
// Lives on the thread that reads the connection. Deriving the key takes that thread a tenth of a
// second and more, once: the next connection finds it in `known`.
#pragma once

#include <optional>
#include <string>

#include "client/client_options.h"
#include "client/error.h"
#include "headrace.pb.h"
#include "net/native/frame.h"
#include "sasl/scram.h"

namespace headrace::client {

class Login {
 public:
  // `known` outlives it.
  Login(const ClientOptions& options, sasl::SaltedPassword* known);

  struct Next {
    std::optional<proto::Authenticate> message;  // to be sent; none: the broker lets us in
    proto::HelloOk hello;                        // then
  };
  // For a frame that answers hello or authenticate. An error is final: again would be the same.
  Result<Next> next(net::native::MessageType type, std::span<const std::byte> message);

 private:
  std::optional<sasl::ScramClient> exchange_;  // none: hello says it all
  bool started_ = false;
};

}  // namespace headrace::client
