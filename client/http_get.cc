#include "client/http_get.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "client/loop.h"

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

  Error send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return no_reply("the request could not be sent in time");
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return unreachable(std::strerror(errno));
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return {};
  }

  Error receive_all(std::string* reply) {
    char buffer[16 * 1024];
    while (true) {
      if (!wait(POLLIN)) return no_reply("no reply in time");
      const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
      if (got == 0) return {};
      if (got < 0 && errno != EAGAIN) return unreachable(std::strerror(errno));
      if (got > 0) reply->append(buffer, static_cast<size_t>(got));
      if (reply->size() > kMaxReply) return bad_reply("the reply is larger than 16 MiB");
    }
  }

 private:
  bool wait(short events) {
    const int64_t left_ms = (deadline_us_ - Loop::now_us()) / 1000;
    pollfd entry{fd_, events, 0};
    return left_ms > 0 && poll(&entry, 1, static_cast<int>(left_ms)) > 0;
  }

  int64_t deadline_us_;
  int fd_ = -1;
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

Result<HttpReply> http_get(const std::string& base, const std::string& path, int64_t timeout_ms) {
  std::string_view rest = base;
  constexpr std::string_view kScheme = "http://";
  if (!rest.starts_with(kScheme)) return bad_argument("--http: the URL must begin with http://");
  rest.remove_prefix(kScheme.size());
  rest = rest.substr(0, rest.find('/'));
  const std::string authority(rest);
  const size_t colon = authority.ends_with(']') ? std::string::npos : authority.rfind(':');
  std::string host = authority.substr(0, colon);
  const std::string port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Socket socket(Loop::now_us() + timeout_ms * 1000);
  if (Error error = socket.open(host, port)) {
    error.message = base + ": " + error.message;
    return error;
  }
  const std::string request =
      "GET " + path + " HTTP/1.0\r\nHost: " + authority + "\r\nConnection: close\r\n\r\n";
  if (Error error = socket.send_all(request)) return error;
  std::string reply;
  if (Error error = socket.receive_all(&reply)) return error;
  return parse(reply);
}

}  // namespace headrace::client
