#include "client/client_options.h"

#include "sasl/scram.h"

namespace headrace::client {

proto::Hello hello_of(const ClientOptions& options) {
  proto::Hello hello;
  hello.set_client(options.name);
  hello.set_tenant(options.tenant);
  hello.set_api_key(options.api_key);
  if (!options.user.empty()) hello.set_mechanism(std::string(sasl::kScramSha256));
  hello.set_as_tenant(options.as_tenant);
  hello.set_reason(options.reason);
  return hello;
}

}  // namespace headrace::client
