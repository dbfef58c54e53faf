// How the flags of every verb become a connection with TLS. Main thread.
#pragma once

#include <string>

#include "client/cli/cli.h"
#include "client/http_call.h"
#include "client/tls_socket.h"

namespace headrace::cli {

// From the files of the flags; the context is there whether or not --tls was given.
client::Result<client::TlsOptions> tls_options(const ConnectArguments& connect);
// For --server: plain unless --tls was given.
client::Result<client::TlsOptions> server_tls(const ConnectArguments& connect);

// From the file or the environment, never from the command line; empty: none.
client::Result<std::string> api_key(const ConnectArguments& connect);

// On the broker's HTTP side, with the caller's credentials.
client::Result<client::HttpReply> call_http(const ConnectArguments& connect,
                                            const client::HttpCall& call, int64_t timeout_ms);

}  // namespace headrace::cli
