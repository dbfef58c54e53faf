// How the flags of every verb become a connection with TLS. Main thread.
#pragma once

#include <string>

#include "client/cli/cli.h"
#include "client/http_call.h"
#include "client/tls_socket.h"

namespace headrace::cli {

// The error's name where it is the HTTP side that was not reached: another flag says where it is.
constexpr const char* kHttpUnreachable = "http_unreachable";

// From the files of the flags; the context is there whether or not --tls was given.
client::Result<client::TlsOptions> tls_options(const ConnectArguments& connect);
// For --server: plain unless --tls was given.
client::Result<client::TlsOptions> server_tls(const ConnectArguments& connect);

// From the file or the environment, never from the command line; empty: none.
client::Result<std::string> api_key(const ConnectArguments& connect);

// Of --user, from the file, the environment or the terminal.
client::Result<std::string> password(const ConnectArguments& connect);
// The first line of a file, `-`: of standard input; without what does not show at its end.
client::Result<std::string> read_secret(const std::string& path, const char* flag);
// Asked for on the terminal without showing it.
client::Result<std::string> ask_secret(const std::string& prompt);

// On the broker's HTTP side, with the caller's credentials.
client::Result<client::HttpReply> call_http(const ConnectArguments& connect,
                                            const client::HttpCall& call, int64_t timeout_ms);

}  // namespace headrace::cli
