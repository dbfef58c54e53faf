#include "client/cli/connect.h"

#include "net/tls/context.h"

namespace headrace::cli {

client::Result<client::TlsOptions> tls_options(const ConnectArguments& connect) {
  client::TlsOptions options;
  std::string error;
  options.context =
      net::make_tls_client_context({connect.ca_file, connect.cert, connect.cert_key}, &error);
  if (options.context == nullptr) return client::bad_argument(error);
  options.server_name = connect.server_name;
  return options;
}

client::Result<client::TlsOptions> server_tls(const ConnectArguments& connect) {
  if (!connect.tls) return client::TlsOptions{};
  auto options = tls_options(connect);
  // The address of localhost is looked up before the connection is made: its name is lost then.
  if (options->server_name.empty() && connect.server.starts_with("localhost:")) {
    options->server_name = "localhost";
  }
  return options;
}

client::Result<client::HttpReply> get_http(const ConnectArguments& connect, const std::string& path,
                                           int64_t timeout_ms) {
  client::Result<client::TlsOptions> tls;
  if (client::is_https(connect.http)) tls = tls_options(connect);
  if (!tls.ok()) return tls.error;
  return client::http_get(connect.http, path, tls.value, timeout_ms);
}

}  // namespace headrace::cli
