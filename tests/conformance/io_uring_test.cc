// UringIo under the contract of Io over real loopback sockets, and what only the real ring has:
// addresses in use, exhausted buffers and file descriptors, several reactors on a port, a forbidden
// ring.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "metrics/counters.h"
#include "metrics/log.h"
#include "tests/conformance/io_suite.h"
#include "tests/conformance/io_tls.h"

namespace headrace::test {
namespace {

class SocketClient final : public IoClient {
 public:
  explicit SocketClient(int fd) : fd_(fd) {}
  ~SocketClient() override { close(); }

  size_t send(std::string_view bytes) override {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == ECONNRESET || errno == EPIPE)) reset_ = true;
    return sent > 0 ? static_cast<size_t>(sent) : 0;
  }
  std::string receive() override {
    std::string bytes(65536, '\0');
    const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size == 0) ended_ = true;
    if (size < 0 && errno == ECONNRESET) reset_ = true;
    bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return bytes;
  }
  bool ended() override { return ended_; }
  bool was_reset() override { return reset_; }
  void half_close() override { ::shutdown(fd_, SHUT_WR); }
  void close() override {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() override {
    const linger now = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close();
  }

 private:
  int fd_;
  bool ended_ = false;
  bool reset_ = false;
};

sockaddr_in to_sockaddr(const net::Endpoint& endpoint) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  ::inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr);
  return address;
}

int connect_socket(const net::Endpoint& to) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = to_sockaddr(to);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
  }
  ::close(fd);
  return -1;
}

class UringWorld final : public IoWorld {
 public:
  void start(const net::UringOptions& options) override {
    std::string error;
    io_ = net::make_uring_io(options, &error);
    ASSERT_NE(io_, nullptr) << error;
  }
  net::Io& io() override { return *io_; }
  std::unique_ptr<IoClient> connect(const net::Endpoint& to) override {
    const int fd = connect_socket(to);
    if (fd < 0) return nullptr;
    return std::make_unique<SocketClient>(fd);
  }

 private:
  std::unique_ptr<net::Io> io_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Uring, IoSuite, UringWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(UringTls, IoSuite, TlsWorld<UringWorld>);

using UringIoTest = IoSuite<UringWorld>;

TEST_F(UringIoTest, ListenSaysWhatIsWrong) {
  world.start({});
  // A listener that does not share its port.
  const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = to_sockaddr({"127.0.0.1", 0});
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(other, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(other, 1), 0);
  ASSERT_EQ(::getsockname(other, reinterpret_cast<sockaddr*>(&address), &size), 0);

  Server acceptor(&world.io());
  net::Endpoint bound;
  EXPECT_EQ(world.io().listen({"127.0.0.1", ntohs(address.sin_port)}, &acceptor, &bound),
            EADDRINUSE);
  EXPECT_EQ(world.io().listen({"192.0.2.1", 0}, &acceptor, &bound), EADDRNOTAVAIL);
  EXPECT_EQ(world.io().listen({"no address", 0}, &acceptor, &bound), EINVAL);
  ::close(other);
}

TEST_F(UringIoTest, ListensOnIpv6) {
  world.start({});
  Server acceptor(&world.io(), true);
  net::Endpoint bound;
  const int result = world.io().listen({"::1", 0}, &acceptor, &bound);
  if (result == EAFNOSUPPORT || result == EADDRNOTAVAIL) GTEST_SKIP() << "no IPv6 here";
  ASSERT_EQ(result, 0);
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(bound.port);
  address.sin6_addr = in6addr_loopback;
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  client = std::make_unique<SocketClient>(fd);
  ASSERT_TRUE(world.send_all(*client, "six"));
  EXPECT_EQ(receive_all(3), "six");
  EXPECT_EQ(acceptor.peers[0]->from().host, "::1");
}

TEST_F(UringIoTest, ExhaustedBuffersDelayNobodyForGood) {
  net::UringOptions options;
  options.small_buffers = 2;
  world.start(options);
  Server echo(&world.io(), true);
  const uint64_t shortages = metrics::total(metrics::Counter::uring_buffer_shortages);
  std::vector<std::unique_ptr<IoClient>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(world.connect(echo.endpoint));
  ASSERT_TRUE(world.until([&] { return echo.peers.size() == clients.size(); }));
  world.steps(5);
  for (int round = 0; round < 5; ++round) {
    for (auto& each : clients) ASSERT_EQ(each->send("ping"), 4u);
    for (auto& each : clients) {
      std::string back;
      ASSERT_TRUE(world.until([&] {
        back += each->receive();
        return back.size() >= 4;
      }));
    }
  }
  EXPECT_GT(metrics::total(metrics::Counter::uring_buffer_shortages), shortages);
}

TEST_F(UringIoTest, ConnectionsCloseWhileTheyWaitForABuffer) {
  net::UringOptions options;
  options.small_buffers = 1;
  world.start(options);
  Server quiet(&world.io());
  std::vector<std::unique_ptr<IoClient>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(world.connect(quiet.endpoint));
  ASSERT_TRUE(world.until([&] { return quiet.peers.size() == clients.size(); }));
  const uint64_t shortages = metrics::total(metrics::Counter::uring_buffer_shortages);
  for (auto& each : clients) ASSERT_EQ(each->send("ping"), 4u);
  // The last one needs no buffer: its bytes come behind the others' shortages, and close them all.
  std::array<std::byte, 4> target = {};
  quiet.peers.back()->on_receive = [&] {
    for (auto& each : quiet.peers) each->close();
  };
  world.steps(5);
  for (size_t i = 0; i + 1 < quiet.peers.size(); ++i) quiet.peers[i]->receive();
  world.io().receive_into(quiet.peers.back()->socket(), target);
  world.io().poll();
  ASSERT_GT(metrics::total(metrics::Counter::uring_buffer_shortages), shortages);
  ASSERT_TRUE(world.until([&] {
    for (auto& each : quiet.peers) {
      if (each->closed == 0) return false;
    }
    return true;
  }));
  Server echo(&world.io(), true);
  client = world.connect(echo.endpoint);
  ASSERT_TRUE(world.send_all(*client, "next"));
  EXPECT_EQ(receive_all(4), "next");
}

TEST_F(UringIoTest, ASmallSubmissionRingLosesNothing) {
  net::UringOptions options;
  options.entries = 4;
  world.start(options);
  Server echo(&world.io(), true);
  std::vector<std::unique_ptr<IoClient>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(world.connect(echo.endpoint));
  ASSERT_TRUE(world.until([&] { return echo.peers.size() == clients.size(); }));
  for (auto& each : clients) ASSERT_EQ(each->send("ping"), 4u);
  for (auto& each : clients) {
    std::string back;
    ASSERT_TRUE(world.until([&] {
      back += each->receive();
      return back.size() >= 4;
    }));
  }
  for (auto& peer_ : echo.peers) peer_->close();
  ASSERT_TRUE(world.until([&] {
    for (auto& peer_ : echo.peers) {
      if (peer_->closed == 0) return false;
    }
    return true;
  }));
}

TEST_F(UringIoTest, OutOfFileDescriptorsConnectionsWait) {
  world.start({});
  Server echo(&world.io(), true);
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const uint64_t pauses = metrics::total(metrics::Counter::accept_pauses);

  client = world.connect(echo.endpoint);  // its own descriptor is made before the limit falls
  rlimit none = limit;
  none.rlim_cur = 3;
  // Nothing new while there are none: a sanitizer needs descriptors for its first look at a type.
  log::warn("the next warning is wanted: this test runs out of file descriptors");
  const int64_t began_us = world.io().now().mono_us;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  world.steps(30);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto pauses_due =
      static_cast<uint64_t>((world.io().now().mono_us - began_us) / 100'000 + 1);
  const uint64_t tries = metrics::total(metrics::Counter::accept_pauses) - pauses;
  EXPECT_GE(tries, 1u);
  EXPECT_LE(tries, pauses_due) << "it spins";
  EXPECT_EQ(echo.peers.size(), 0u);

  ASSERT_TRUE(world.send_all(*client, "at last"));
  EXPECT_EQ(receive_all(7), "at last");
}

TEST_F(UringIoTest, AnotherThreadEndsTheWait) {
  world.start({});
  for (int round = 0; round < 200; ++round) {
    const int64_t before_us = world.io().now().mono_us;
    std::thread waker([&] { world.io().wake(); });
    world.io().poll();
    world.sleep(before_us + 10 * kMicrosPerSecond);
    waker.join();
    ASSERT_LT(world.io().now().mono_us, before_us + 5 * kMicrosPerSecond) << round;
    // A wake that came after the sleep had ended for another reason belongs to the next one.
  }
}

TEST_F(UringIoTest, SeveralReactorsShareAPort) {
  world.start({});
  Server first(&world.io(), true);
  std::string error;
  const auto second_io = net::make_uring_io({}, &error);
  ASSERT_NE(second_io, nullptr) << error;
  Server second(second_io.get(), true);
  net::Endpoint bound;
  ASSERT_EQ(second_io->listen(first.endpoint, &second, &bound), 0);
  EXPECT_EQ(bound.port, first.endpoint.port);
  std::vector<std::unique_ptr<IoClient>> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(world.connect(first.endpoint));
  ASSERT_TRUE(world.until([&] {
    second_io->poll();
    second_io->wait(0);
    return first.peers.size() + second.peers.size() == clients.size();
  }));
  EXPECT_GT(first.peers.size(), 0u);
  EXPECT_GT(second.peers.size(), 0u);
}

// Makes io_uring_setup fail with EPERM, as containers' default profiles do.
bool forbid_io_uring() {
  std::array<sock_filter, 4> program = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog filter = {program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(UringForbidden, NamesTheCauseAndTheFix) {
  std::array<int, 2> pipe = {};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string error = "the filter could not be installed";
    if (forbid_io_uring() && net::make_uring_io({}, &error) != nullptr) error = "it was allowed";
    const ssize_t written = ::write(pipe[1], error.data(), error.size());
    ::_exit(written > 0 ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string error(4096, '\0');
  const ssize_t size = ::read(pipe[0], error.data(), error.size());
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_GT(size, 0);
  error.resize(static_cast<size_t>(size));
  EXPECT_NE(error.find("io_uring_setup failed"), std::string::npos) << error;
  EXPECT_TRUE(error.find("seccomp") != std::string::npos ||
              error.find("kernel.io_uring_disabled") != std::string::npos)
      << error;
}

}  // namespace
}  // namespace headrace::test
