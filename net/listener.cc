#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace headrace::net {
namespace {

constexpr int kListenBacklog = 4096;

Endpoint to_endpoint(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    return {text, ntohs(v6.sin6_port)};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  return {text, ntohs(v4.sin_port)};
}

// False: not a numeric address.
bool to_sockaddr(const Endpoint& endpoint, sockaddr_storage* address, socklen_t* size) {
  *address = {};
  auto& v4 = reinterpret_cast<sockaddr_in&>(*address);
  if (inet_pton(AF_INET, endpoint.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    *size = sizeof(v4);
    return true;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(*address);
  if (inet_pton(AF_INET6, endpoint.host.c_str(), &v6.sin6_addr) != 1) return false;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  *size = sizeof(v6);
  return true;
}

}  // namespace

namespace {

int open_bound(const Endpoint& wanted, bool shared, int* fd, Endpoint* bound) {
  sockaddr_storage address;
  socklen_t size = 0;
  if (!to_sockaddr(wanted, &address, &size)) return EINVAL;
  *fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*fd < 0) return errno;
  const int on = 1;
  bool ok = ::setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
            (!shared || ::setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
  if (address.ss_family == AF_INET6) {  // IPv4 has its own listener, never a mapped one
    ok = ok && ::setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
  }
  ok = ok && ::bind(*fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
       ::listen(*fd, kListenBacklog) == 0 &&
       ::getsockname(*fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (!ok) {
    const int error = errno;
    ::close(*fd);
    return error;
  }
  *bound = to_endpoint(address);
  return 0;
}

}  // namespace

int open_listener(const Endpoint& wanted, int* fd, Endpoint* bound) {
  return open_bound(wanted, true, fd, bound);
}

int check_unused(const Endpoint& wanted) {
  int fd = -1;
  Endpoint bound;
  const int error = open_bound(wanted, false, &fd, &bound);
  if (error == 0) ::close(fd);
  return error;
}

bool prepare_accepted(int fd, Endpoint* peer) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // frames leave as they are flushed
  *peer = to_endpoint(address);
  return true;
}

}  // namespace headrace::net
