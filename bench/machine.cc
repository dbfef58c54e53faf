// What the machine itself costs: a synced append and a loopback round trip.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "bench/ceiling.h"
#include "bench/wire.h"
#include "metrics/check.h"

namespace headrace::bench {

namespace {

void send_all(int fd, const std::vector<char>& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    HR_CHECK(n > 0);
    sent += static_cast<size_t>(n);
  }
}

bool receive_all(int fd, std::vector<char>* bytes) {
  size_t filled = 0;
  while (filled < bytes->size()) {
    const ssize_t n = recv(fd, bytes->data() + filled, bytes->size() - filled, 0);
    if (n <= 0) return false;
    filled += static_cast<size_t>(n);
  }
  return true;
}

// Two ends of one loopback TCP connection.
std::pair<int, int> loopback_pair() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  HR_CHECK(bind(listener, generic, size) == 0 && listen(listener, 1) == 0);
  HR_CHECK(getsockname(listener, generic, &size) == 0);
  const int near_end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HR_CHECK(connect(near_end, generic, size) == 0);
  const int far_end = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  HR_CHECK(far_end >= 0);
  close(listener);
  const int on = 1;
  setsockopt(near_end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(far_end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return {near_end, far_end};
}

}  // namespace

void measure_loopback(metrics::Histogram* latency, uint32_t bytes, uint32_t count) {
  const auto [near_end, far_end] = loopback_pair();
  std::thread echo([far = far_end, bytes] {
    std::vector<char> message(bytes);
    while (receive_all(far, &message)) send_all(far, message);
  });
  std::vector<char> message(bytes, 'x');
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t started_us = mono_us();
    send_all(near_end, message);
    HR_CHECK(receive_all(near_end, &message));
    latency->record(mono_us() - started_us);
  }
  close(near_end);
  echo.join();
  close(far_end);
}

client::Result<metrics::HistogramSnapshot> measure_fdatasync(const std::string& directory,
                                                             uint32_t count) {
  const std::string path = directory + "/headrace-bench-sync-" + std::to_string(getpid());
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return client::bad_argument("--dir: " + path + ": " + std::strerror(errno));
  const std::vector<char> page(4096, 'x');
  metrics::Histogram latency;
  client::Error error;
  for (uint32_t i = 0; i < count && !error; ++i) {
    const int64_t started_us = mono_us();
    if (write(fd, page.data(), page.size()) != static_cast<ssize_t>(page.size()) ||
        fdatasync(fd) != 0) {
      error = client::bad_argument("--dir: " + path + ": " + std::strerror(errno));
    }
    latency.record(mono_us() - started_us);
  }
  close(fd);
  unlink(path.c_str());
  if (error) return error;
  return latency.snapshot();
}

}  // namespace headrace::bench
