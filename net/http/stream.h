// A connection of the HTTP server, plain or TLS behind one face: Beast reads and writes it, and its
// time runs by expires_after either way. Server thread.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <optional>
#include <utility>

#include "net/tls/context.h"

namespace headrace::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;

class Stream {
 public:
  using executor_type = beast::tcp_stream::executor_type;

  explicit Stream(tcp::socket socket) : tcp_(std::move(socket)) {}

  // From now on what is read and written is encrypted. Once, before anything else but raw().
  void begin_tls(const net::TlsContext& context) {
    SSL_CTX_up_ref(context.get());
    asio_context_.emplace(context.get());  // takes the reference over
    tls_.emplace(tcp_, *asio_context_);
  }
  // `received`: what raw() has read already.
  template <class Handler>
  void accept_tls(const beast::flat_buffer& received, Handler&& handler) {
    tls_->async_handshake(asio::ssl::stream_base::server, received.data(),
                          std::forward<Handler>(handler));
  }
  // Says that no more comes; ends when the other side has said so too.
  template <class Handler>
  void finish_tls(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }
  bool encrypted() const { return tls_.has_value(); }
  ssl_st* ssl() { return tls_->native_handle(); }

  beast::tcp_stream& raw() { return tcp_; }
  tcp::socket& socket() { return tcp_.socket(); }
  template <class Duration>
  void expires_after(Duration duration) {
    tcp_.expires_after(duration);
  }

  // What Asio and Beast ask of a stream.
  executor_type get_executor() { return tcp_.get_executor(); }
  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    tcp_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    tcp_.async_write_some(buffers, std::forward<Handler>(handler));
  }

 private:
  beast::tcp_stream tcp_;
  std::optional<asio::ssl::context> asio_context_;
  std::optional<asio::ssl::stream<beast::tcp_stream&>> tls_;
};

}  // namespace headrace::http
