#include "client/http_call.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "client/loop.h"
#include "metrics/check.h"

namespace headrace::client {

namespace {

constexpr size_t kMaxReply = 16u << 20;

class Socket {
 public:
  explicit Socket(int64_t deadline_us) : deadline_us_(deadline_us) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  Error open(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (failed != 0) return unreachable(host + ": " + gai_strerror(failed));
    fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int result = connect(fd_, found->ai_addr, found->ai_addrlen);
    const int error = result == 0 ? 0 : errno;
    freeaddrinfo(found);
    if (error != 0 && error != EINPROGRESS) return unreachable(std::strerror(error));
    if (!wait(POLLOUT)) return unreachable("no connection in time");
    int later = 0;
    socklen_t size = sizeof(later);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &later, &size);
    if (later != 0) return unreachable(std::strerror(later));
    return {};
  }

  void begin_tls(const TlsOptions& tls, const std::string& host) {
    const std::string& name = tls.server_name.empty() ? host : tls.server_name;
    tls_ = std::make_unique<TlsSocket>(fd_, tls.context, name);
  }

  Error send_all(std::string_view bytes) {
    while (!bytes.empty() || (tls_ != nullptr && tls_->wants_write())) {
      const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
      const ssize_t sent = tls_ != nullptr ? tls_->send({&part, 1})
                                           : send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return failed(errno);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      // The handshake waits for the other side's words.
      const bool writes = tls_ == nullptr || tls_->wants_write();
      if (sent < 0 && !wait(writes ? POLLOUT : POLLIN)) {
        return no_reply("the request could not be sent in time");
      }
    }
    return {};
  }

  Error receive_all(std::string* reply) {
    std::array<std::byte, 16 * 1024> buffer;
    while (true) {
      const ssize_t got =
          tls_ != nullptr ? tls_->receive(buffer) : recv(fd_, buffer.data(), buffer.size(), 0);
      if (got == 0) return {};
      if (got < 0 && errno != EAGAIN) return failed(errno);
      if (got < 0 && !wait(POLLIN)) return no_reply("no reply in time");
      if (got > 0) {
        reply->append(reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(got));
      }
      if (reply->size() > kMaxReply) return bad_reply("the reply is larger than 16 MiB");
    }
  }

 private:
  Error failed(int error) const {
    if (tls_ != nullptr && error == EPROTO) return tls_failed(tls_->error());
    return unreachable(std::strerror(error));
  }
  bool wait(short events) {
    const int64_t left_ms = (deadline_us_ - Loop::now_us()) / 1000;
    pollfd entry{fd_, events, 0};
    return left_ms > 0 && poll(&entry, 1, static_cast<int>(left_ms)) > 0;
  }

  int64_t deadline_us_;
  int fd_ = -1;
  std::unique_ptr<TlsSocket> tls_;  // none: plain
};

Result<HttpReply> parse(const std::string& reply) {
  // "HTTP/1.1 200 OK\r\n" headers "\r\n\r\n" body
  HttpReply parsed;
  const size_t body = reply.find("\r\n\r\n");
  if (reply.size() < 12 || !reply.starts_with("HTTP/1.") || body == std::string::npos) {
    return bad_reply("that is not an HTTP server");
  }
  const auto number = std::from_chars(reply.data() + 9, reply.data() + 12, parsed.status);
  if (number.ec != std::errc{}) return bad_reply("the HTTP status is not a number");
  parsed.body = reply.substr(body + 4);
  return parsed;
}

}  // namespace

bool is_https(std::string_view base) {
  return base.starts_with("https://");
}

Result<HttpReply> http_call(const std::string& base, const HttpCall& call, const TlsOptions& tls,
                            const HttpHeaders& headers, int64_t timeout_ms) {
  std::string header_lines;
  for (const auto& [name, value] : headers) {
    for (const char c : value) {
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
        return bad_argument(name + ": has a control character");
      }
    }
    header_lines += name + ": " + value + "\r\n";
  }
  std::string_view rest = base;
  const bool https = is_https(base);
  if (!https && !rest.starts_with("http://")) {
    return bad_argument("--http: the URL must begin with http:// or https://");
  }
  HR_CHECK(!https || tls.context != nullptr);
  rest.remove_prefix(rest.find("//") + 2);
  rest = rest.substr(0, rest.find('/'));
  const std::string authority(rest);
  const size_t colon = authority.ends_with(']') ? std::string::npos : authority.rfind(':');
  std::string host = authority.substr(0, colon);
  const std::string port =
      colon == std::string::npos ? (https ? "443" : "80") : authority.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Socket socket(Loop::now_us() + timeout_ms * 1000);
  if (Error error = socket.open(host, port)) {
    error.message = base + ": " + error.message;
    return error;
  }
  if (https) socket.begin_tls(tls, host);
  std::string request =
      call.method + " " + call.path + " HTTP/1.0\r\nHost: " + authority + "\r\n" + header_lines;
  if (call.method != "GET") {
    request +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(call.body.size()) +
        "\r\n";
  }
  request += "Connection: close\r\n\r\n" + call.body;
  std::string reply;
  Error error = socket.send_all(request);
  if (!error) error = socket.receive_all(&reply);
  if (error) {
    error.message = base + ": " + error.message;
    return error;
  }
  return parse(reply);
}

}  // namespace headrace::client
