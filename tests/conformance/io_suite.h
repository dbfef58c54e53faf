// The contract of net::Io, checked on every implementation: SimIo and UringIo. A world has one Io
// and clients that talk to it from outside; step() runs one turn and lets time pass if nothing is
// due.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/io.h"

namespace headrace::test {

// A socket of the outside world; nothing blocks.
class IoClient {
 public:
  virtual ~IoClient() = default;
  virtual size_t send(std::string_view bytes) = 0;  // what the socket took
  virtual std::string receive() = 0;                // what is there
  virtual bool ended() = 0;                         // the other side closed, all is received
  virtual bool was_reset() = 0;
  virtual void half_close() = 0;
  virtual void close() = 0;
  virtual void reset() = 0;
};

class IoWorld {
 public:
  virtual ~IoWorld() = default;
  virtual void start(const net::UringOptions& options) = 0;
  virtual net::Io& io() = 0;
  virtual std::unique_ptr<IoClient> connect(const net::Endpoint& to) = 0;  // nullptr: refused
  // A wait is over: simulated time passes until the Io has something to do.
  virtual void let_time_pass() {}
  virtual void step() {
    io().poll();
    sleep(io().now().mono_us + 1000);
  }
  void sleep(int64_t until_mono_us) {  // io().wait() as the reactor lives through it
    io().wait(until_mono_us);
    let_time_pass();
  }

  // Steps until `condition`; false if it never comes (20 s of the world's time).
  template <class Condition>
  bool until(Condition condition) {
    const int64_t deadline_us = io().now().mono_us + 20 * kMicrosPerSecond;
    while (!condition()) {
      if (io().now().mono_us > deadline_us) return false;
      step();
    }
    return true;
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }
  // Sends all of it, however long the other side takes.
  bool send_all(IoClient& client, std::string_view bytes) {
    return until([&] {
      bytes.remove_prefix(client.send(bytes));
      return bytes.empty();
    });
  }
};

inline std::string pattern(size_t size, uint32_t seed = 1) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

// The server's side of one connection: notes what happens and checks the rules of callbacks.
class Peer : public net::SocketHandler {
 public:
  Peer(net::Io* io, net::SocketId socket, const net::Endpoint& from)
      : io_(*io), socket_(socket), from_(from) {
    io_.attach(socket_, this);
  }

  void on_received(std::span<const std::byte> bytes) override {
    const Inside inside(this);
    EXPECT_FALSE(closing) << "after close() only on_closed comes";
    ended |= bytes.empty();
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (on_receive) on_receive();
    if (closes_on_receive) return close();
    if (echoes && !bytes.empty()) return send(received.substr(received.size() - bytes.size()));
    if (receives_on && !ended) io_.receive_some(socket_);
  }
  void on_sent() override {
    const Inside inside(this);
    EXPECT_FALSE(closing) << "after close() only on_closed comes";
    ++sent;
    if (echoes && !ended) io_.receive_some(socket_);
  }
  void on_failed(int error) override {
    const Inside inside(this);
    EXPECT_FALSE(closing) << "after close() only on_closed comes";
    last_error = error;
    close();
  }
  void on_closed() override {
    const Inside inside(this);
    ++closed;
  }

  void receive() { io_.receive_some(socket_); }
  void send(std::string bytes) {
    output = std::move(bytes);
    part = {output.data(), output.size()};
    io_.send(socket_, {&part, 1});
  }
  void close() {
    closing = true;
    io_.close(socket_);
  }
  net::SocketId socket() const { return socket_; }
  const net::Endpoint& from() const { return from_; }

  bool echoes = false;
  bool receives_on = false;
  bool closes_on_receive = false;
  std::function<void()> on_receive;
  std::string received;
  std::string output;
  iovec part = {};
  int sent = 0;
  int closed = 0;
  int last_error = 0;
  bool ended = false;
  bool closing = false;

 private:
  struct Inside {
    explicit Inside(Peer* owner) : peer(*owner) {
      EXPECT_FALSE(peer.inside_) << "a callback inside a callback of the same socket";
      EXPECT_EQ(peer.closed, 0) << "a callback after on_closed";
      peer.inside_ = true;
    }
    ~Inside() { peer.inside_ = false; }
    Peer& peer;
  };

  net::Io& io_;
  const net::SocketId socket_;
  const net::Endpoint from_;
  bool inside_ = false;
};

// Accepts connections as Peers of one kind.
class Server : public net::AcceptHandler {
 public:
  explicit Server(net::Io* io, bool echoes = false) : io_(*io), echoes_(echoes) {
    EXPECT_EQ(io_.listen({"127.0.0.1", 0}, this, &endpoint), 0);
  }
  void on_accepted(net::SocketId socket, const net::Endpoint& from) override {
    peers.push_back(std::make_unique<Peer>(&io_, socket, from));
    peers.back()->echoes = echoes_;
    if (echoes_) peers.back()->receive();
  }

  net::Endpoint endpoint;
  std::vector<std::unique_ptr<Peer>> peers;

 private:
  net::Io& io_;
  const bool echoes_;
};

template <class World>
class IoSuite : public testing::Test {
 public:
  // One accepted connection.
  void connect_one(bool echoes = false) {
    world.start({});
    server = std::make_unique<Server>(&world.io(), echoes);
    client = world.connect(server->endpoint);
    ASSERT_NE(client, nullptr);
    ASSERT_TRUE(world.until([&] { return server->peers.size() == 1; }));
    peer = server->peers[0].get();
  }
  std::string receive_all(size_t size) {
    std::string bytes;
    EXPECT_TRUE(world.until([&] {
      bytes += client->receive();
      return bytes.size() >= size;
    })) << "received "
        << bytes.size() << " of " << size;
    return bytes;
  }

  World world;
  std::unique_ptr<Server> server;
  std::unique_ptr<IoClient> client;
  Peer* peer = nullptr;
};

TYPED_TEST_SUITE_P(IoSuite);

TYPED_TEST_P(IoSuite, AcceptsAndNamesThePeer) {
  this->connect_one();
  EXPECT_NE(this->server->endpoint.port, 0);
  EXPECT_FALSE(this->peer->from().host.empty());
  EXPECT_NE(this->peer->from().port, 0);
}

TYPED_TEST_P(IoSuite, EchoesEverySize) {
  this->connect_one(true);
  for (const size_t size : {1, 2, 24, 1000, 16383, 16384, 16385, 65536, 300'000}) {
    const std::string bytes = pattern(size, static_cast<uint32_t>(size));
    std::string back;
    std::string_view left = bytes;
    ASSERT_TRUE(this->world.until([&] {
      left.remove_prefix(this->client->send(left));
      back += this->client->receive();
      return back.size() >= size;
    }));
    EXPECT_TRUE(back == bytes) << size;
  }
}

TYPED_TEST_P(IoSuite, OneByteAtATime) {
  this->connect_one(true);
  const std::string bytes = pattern(300);
  std::string back;
  for (const char byte : bytes) {
    ASSERT_TRUE(this->world.send_all(*this->client, {&byte, 1}));
    back += this->receive_all(1);
  }
  EXPECT_EQ(back, bytes);
}

TYPED_TEST_P(IoSuite, ReceivesStraightIntoTheTarget) {
  this->connect_one();
  const std::string bytes = pattern(200'000);
  std::vector<std::byte> target(bytes.size());
  size_t filled = 0;
  std::string_view left = bytes;
  this->world.io().receive_into(this->peer->socket(), target);
  ASSERT_TRUE(this->world.until([&] {
    left.remove_prefix(this->client->send(left));
    if (this->peer->received.size() > filled) {
      filled = this->peer->received.size();
      const auto rest = std::span(target).subspan(filled);
      if (!rest.empty()) this->world.io().receive_into(this->peer->socket(), rest);
    }
    return filled == target.size();
  }));
  EXPECT_EQ(std::memcmp(target.data(), bytes.data(), bytes.size()), 0);
}

TYPED_TEST_P(IoSuite, GathersAndTellsOnceWhenAllHasLeft) {
  this->connect_one();
  std::vector<std::string> strings;
  std::vector<iovec> parts;
  std::string expected;
  for (size_t i = 0; i < net::kMaxSendParts; ++i) {
    strings.push_back(pattern(i * 211 % 40'000 + 1, static_cast<uint32_t>(i)));
    expected += strings.back();
  }
  for (std::string& string : strings) parts.push_back({string.data(), string.size()});
  this->world.io().send(this->peer->socket(), parts);
  this->world.steps(20);
  EXPECT_TRUE(this->receive_all(expected.size()) == expected);
  ASSERT_TRUE(this->world.until([&] { return this->peer->sent > 0; }));
  this->world.steps(20);
  EXPECT_EQ(this->peer->sent, 1);
}

TYPED_TEST_P(IoSuite, PeerCloseIsAnEmptyReceive) {
  this->connect_one();
  this->peer->receives_on = true;
  this->peer->receive();
  ASSERT_TRUE(this->world.send_all(*this->client, "last words"));
  this->client->close();
  ASSERT_TRUE(this->world.until([&] { return this->peer->ended; }));
  EXPECT_EQ(this->peer->received, "last words");
  this->peer->close();
  ASSERT_TRUE(this->world.until([&] { return this->peer->closed == 1; }));
}

TYPED_TEST_P(IoSuite, HalfClosedPeerStillReads) {
  this->connect_one();
  this->peer->receives_on = true;
  this->peer->receive();
  ASSERT_TRUE(this->world.send_all(*this->client, "question"));
  this->client->half_close();
  ASSERT_TRUE(this->world.until([&] { return this->peer->ended; }));
  this->peer->send("answer");
  EXPECT_EQ(this->receive_all(6), "answer");
  EXPECT_FALSE(this->client->ended());
}

TYPED_TEST_P(IoSuite, FinishSendingEndsTheStreamAfterTheData) {
  this->connect_one();
  this->peer->send("farewell");
  ASSERT_TRUE(this->world.until([&] { return this->peer->sent == 1; }));
  this->world.io().finish_sending(this->peer->socket());
  EXPECT_EQ(this->receive_all(8), "farewell");
  ASSERT_TRUE(this->world.until([&] {
    this->client->receive();
    return this->client->ended();
  }));
  this->peer->receive();  // and it still receives
  ASSERT_TRUE(this->world.send_all(*this->client, "more"));
  ASSERT_TRUE(this->world.until([&] { return !this->peer->received.empty(); }));
}

TYPED_TEST_P(IoSuite, ResetFailsTheReceive) {
  this->connect_one();
  this->peer->receive();
  this->world.steps(2);
  this->client->reset();
  ASSERT_TRUE(this->world.until([&] { return this->peer->closed == 1; }));
  EXPECT_EQ(this->peer->last_error, ECONNRESET);
}

TYPED_TEST_P(IoSuite, SendingToAGonePeerFails) {
  this->connect_one();
  this->client->close();
  const std::string bytes(100'000, 'x');
  ASSERT_TRUE(this->world.until([&] {
    if (this->peer->closing || this->peer->part.iov_base == nullptr || this->peer->sent > 0) {
      this->peer->sent = 0;
      if (!this->peer->closing) this->peer->send(bytes);
    }
    return this->peer->closed == 1;
  }));
  const int error = this->peer->last_error;
  EXPECT_TRUE(error == ECONNRESET || error == EPIPE) << error;
}

TYPED_TEST_P(IoSuite, CloseWhileASendIsOutstanding) {
  this->connect_one();
  this->peer->receive();
  this->peer->send(std::string(64u << 20, 'x'));  // more than any socket buffer takes
  this->world.steps(20);
  EXPECT_EQ(this->peer->sent, 0);
  this->peer->close();
  EXPECT_EQ(this->peer->closed, 0) << "on_closed inside close()";
  ASSERT_TRUE(this->world.until([&] { return this->peer->closed == 1; }));
  this->world.steps(20);
  EXPECT_EQ(this->peer->closed, 1);
  EXPECT_EQ(this->peer->sent, 0);
}

TYPED_TEST_P(IoSuite, CloseWithNothingOutstanding) {
  this->connect_one();
  this->peer->close();
  this->peer->close();
  EXPECT_EQ(this->peer->closed, 0);
  ASSERT_TRUE(this->world.until([&] { return this->peer->closed == 1; }));
  ASSERT_TRUE(this->world.until([&] {
    this->client->receive();
    return this->client->ended();
  }));
}

TYPED_TEST_P(IoSuite, CloseInsideACallbackComesBackOnce) {
  this->connect_one();
  this->peer->closes_on_receive = true;
  this->peer->receive();
  ASSERT_TRUE(this->world.send_all(*this->client, "x"));
  ASSERT_TRUE(this->world.until([&] { return this->peer->closed == 1; }));
  this->world.steps(20);
  EXPECT_EQ(this->peer->closed, 1);

  // Its slot is free once, not twice.
  const auto second = this->world.connect(this->server->endpoint);
  const auto third = this->world.connect(this->server->endpoint);
  ASSERT_TRUE(this->world.until([&] { return this->server->peers.size() == 3; }));
  EXPECT_NE(this->server->peers[1]->socket().slot, this->server->peers[2]->socket().slot);
}

TYPED_TEST_P(IoSuite, StaleIdNeverReachesTheNextConnection) {
  this->connect_one();
  const net::SocketId old = this->peer->socket();
  this->peer->close();
  ASSERT_TRUE(this->world.until([&] { return this->peer->closed == 1; }));

  const auto second = this->world.connect(this->server->endpoint);
  ASSERT_NE(second, nullptr);
  ASSERT_TRUE(this->world.until([&] { return this->server->peers.size() == 2; }));
  Peer& next = *this->server->peers[1];
  ASSERT_EQ(next.socket().slot, old.slot) << "the slot is not reused: the test shows nothing";
  EXPECT_NE(next.socket(), old);

  iovec part = {const_cast<char*>("stale"), 5};
  this->world.io().send(old, {&part, 1});
  this->world.io().receive_some(old);
  this->world.io().finish_sending(old);
  this->world.io().close(old);
  next.receive();
  next.send("fresh");
  std::string bytes;
  ASSERT_TRUE(this->world.until([&] {
    bytes += second->receive();
    return bytes.size() >= 5;
  }));
  this->world.steps(20);
  EXPECT_EQ(bytes + second->receive(), "fresh");
  EXPECT_EQ(next.closed, 0);
}

TYPED_TEST_P(IoSuite, OperationsDoNotCallBackByThemselves) {
  this->connect_one();
  ASSERT_TRUE(this->world.send_all(*this->client, "here already"));
  this->world.steps(20);
  this->peer->receive();
  this->peer->send("x");
  EXPECT_TRUE(this->peer->received.empty());
  EXPECT_EQ(this->peer->sent, 0);
  ASSERT_TRUE(this->world.until([&] { return this->peer->sent == 1; }));
  ASSERT_TRUE(this->world.until([&] { return !this->peer->received.empty(); }));
}

TYPED_TEST_P(IoSuite, WithoutAReceiveTheSenderBlocks) {
  this->connect_one();
  const std::string chunk = pattern(64 * 1024);
  size_t sent = 0;
  int idle_steps = 0;
  while (idle_steps < 50 && sent < (256u << 20)) {
    const size_t taken = this->client->send(chunk);
    sent += taken;
    idle_steps = taken == 0 ? idle_steps + 1 : 0;
    this->world.step();
  }
  EXPECT_LT(sent, 256u << 20);
  EXPECT_TRUE(this->peer->received.empty());
  this->peer->receives_on = true;
  this->peer->receive();
  ASSERT_TRUE(this->world.until([&] { return this->peer->received.size() == sent; }));
  EXPECT_GT(this->client->send(chunk), 0u);
}

TYPED_TEST_P(IoSuite, ManyConnections) {
  this->world.start({});
  Server echo(&this->world.io(), true);
  std::vector<std::unique_ptr<IoClient>> clients;
  std::vector<std::string> back;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(this->world.connect(echo.endpoint));
    ASSERT_NE(clients.back(), nullptr);
  }
  back.resize(clients.size());
  for (uint32_t i = 0; i < clients.size(); ++i) {
    ASSERT_TRUE(this->world.send_all(*clients[i], pattern(2000, i)));
  }
  for (uint32_t i = 0; i < clients.size(); ++i) {
    ASSERT_TRUE(this->world.until([&] {
      back[i] += clients[i]->receive();
      return back[i].size() >= 2000;
    }));
    EXPECT_TRUE(back[i] == pattern(2000, i)) << i;
  }
}

TYPED_TEST_P(IoSuite, ConnectionsAboveTheLimitAreClosed) {
  net::UringOptions options;
  options.max_sockets = 2;
  this->world.start(options);
  Server echo(&this->world.io(), true);
  std::vector<std::unique_ptr<IoClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(this->world.connect(echo.endpoint));
    this->world.steps(50);
  }
  const auto gone = [](IoClient& each) {
    each.receive();
    return each.ended() || each.was_reset();
  };
  ASSERT_TRUE(this->world.until(
      [&] { return (gone(*clients[0]) + gone(*clients[1]) + gone(*clients[2])) == 1; }));
  EXPECT_EQ(echo.peers.size(), 2u);

  echo.peers[0]->close();  // makes room for one
  ASSERT_TRUE(this->world.until([&] { return echo.peers[0]->closed == 1; }));
  this->client = this->world.connect(echo.endpoint);
  ASSERT_TRUE(this->world.send_all(*this->client, "hi"));
  EXPECT_EQ(this->receive_all(2), "hi");
}

TYPED_TEST_P(IoSuite, StopAcceptingKeepsWhatIsConnected) {
  this->connect_one(true);
  this->world.io().stop_accepting();
  this->world.steps(20);
  const auto late = this->world.connect(this->server->endpoint);
  EXPECT_EQ(late, nullptr);
  ASSERT_TRUE(this->world.send_all(*this->client, "still here"));
  EXPECT_EQ(this->receive_all(10), "still here");
}

TYPED_TEST_P(IoSuite, WaitEndsAtItsTime) {
  this->world.start({});
  this->world.io().poll();
  const int64_t until_us = this->world.io().now().mono_us + 20'000;
  this->world.sleep(until_us);
  EXPECT_GE(this->world.io().now().mono_us, until_us);
}

TYPED_TEST_P(IoSuite, WaitEndsWhenBytesArrive) {
  this->connect_one();
  this->peer->receive();
  this->world.steps(3);
  ASSERT_EQ(this->client->send("x"), 1u);
  const int64_t before_us = this->world.io().now().mono_us;
  this->world.sleep(before_us + 10 * kMicrosPerSecond);
  EXPECT_LT(this->world.io().now().mono_us, before_us + 5 * kMicrosPerSecond);
  ASSERT_TRUE(this->world.until([&] { return this->peer->received == "x"; }));
}

TYPED_TEST_P(IoSuite, WakeBeforeTheWaitEndsIt) {
  this->world.start({});
  const int64_t before_us = this->world.io().now().mono_us;
  this->world.io().wake();
  this->world.io().poll();
  this->world.sleep(before_us + 10 * kMicrosPerSecond);
  EXPECT_LT(this->world.io().now().mono_us, before_us + 5 * kMicrosPerSecond);
}

REGISTER_TYPED_TEST_SUITE_P(IoSuite, AcceptsAndNamesThePeer, EchoesEverySize, OneByteAtATime,
                            ReceivesStraightIntoTheTarget, GathersAndTellsOnceWhenAllHasLeft,
                            PeerCloseIsAnEmptyReceive, HalfClosedPeerStillReads,
                            FinishSendingEndsTheStreamAfterTheData, ResetFailsTheReceive,
                            SendingToAGonePeerFails, CloseWhileASendIsOutstanding,
                            CloseWithNothingOutstanding, CloseInsideACallbackComesBackOnce,
                            StaleIdNeverReachesTheNextConnection,
                            OperationsDoNotCallBackByThemselves, WithoutAReceiveTheSenderBlocks,
                            ManyConnections, ConnectionsAboveTheLimitAreClosed,
                            StopAcceptingKeepsWhatIsConnected, WaitEndsAtItsTime,
                            WaitEndsWhenBytesArrive, WakeBeforeTheWaitEndsIt);

}  // namespace headrace::test
