// What TlsIo does beyond the contract of Io: who is let in, what strangers and slow ones get, and
// what is known of the other side. In a simulated network, so that time is exact.
#include "tests/conformance/io_tls.h"

#include <gtest/gtest.h>

#include "tests/support/sim_io.h"

namespace headrace::test {
namespace {

constexpr int64_t kHandshakeUs = 2 * kMicrosPerSecond;

class PlainClient final : public IoClient {
 public:
  explicit PlainClient(std::unique_ptr<SimClient> client) : client_(std::move(client)) {}

  size_t send(std::string_view bytes) override {
    // A hair at a time, if asked to.
    return client_->send(bytes.substr(0, std::min(most, bytes.size())));
  }
  std::string receive() override { return client_->receive(); }
  bool ended() override { return client_->ended(); }
  bool was_reset() override { return client_->was_reset(); }
  void half_close() override { client_->half_close(); }
  void close() override { client_->close(); }
  void reset() override { client_->reset(); }

  size_t most = SIZE_MAX;

 private:
  std::unique_ptr<SimClient> client_;
};

class TlsIoTest : public testing::Test {
 protected:
  void start(const std::string& client_ca = "", bool required = true, size_t max_handshakes = 100) {
    files = {own.certificate, own.key, client_ca, required};
    context = std::make_unique<net::TlsServerContext>(files);
    std::string error;
    ASSERT_TRUE(context->load(&error)) << error;
    below = network.make_io({});
    net::TlsIoOptions options;
    options.handshake_us = kHandshakeUs;
    options.max_handshakes = max_handshakes;
    io = net::make_tls_io(below.get(), context.get(), options);
    server = std::make_unique<Server>(io.get(), false);
  }
  std::unique_ptr<PlainClient> connect_plain() {
    return std::make_unique<PlainClient>(network.connect(server->endpoint));
  }
  std::unique_ptr<TlsIoClient> connect(const net::TlsClientFiles& with, size_t most = SIZE_MAX) {
    std::string error;
    const net::TlsContext client = net::make_tls_client_context(with, &error);
    EXPECT_NE(client, nullptr) << error;
    auto plain = connect_plain();
    plain->most = most;
    return std::make_unique<TlsIoClient>(std::move(plain), client, &clients);
  }
  std::unique_ptr<TlsIoClient> connect() { return connect({authority.certificate(), "", ""}); }
  void step() {
    for (TlsIoClient* client : clients) client->shake_hands();
    io->poll();
    io->wait(network.now().mono_us + 1000);
    network.advance_to(below->next_event_us());
  }
  template <class Condition>
  bool until(Condition condition, int64_t within_us = 20 * kMicrosPerSecond) {
    const int64_t deadline_us = network.now().mono_us + within_us;
    while (!condition()) {
      if (network.now().mono_us > deadline_us) return false;
      step();
    }
    return true;
  }
  Peer* accepted() {
    EXPECT_TRUE(until([&] { return !server->peers.empty(); }));
    return server->peers.empty() ? nullptr : server->peers.back().get();
  }

  CertificateAuthority authority;
  PemPair own = authority.sign({});
  net::TlsServerFiles files;
  std::unique_ptr<net::TlsServerContext> context;
  Prng prng{11};
  SimNetwork network{&prng, {}};
  std::unique_ptr<SimIo> below;
  std::unique_ptr<net::Io> io;
  std::set<TlsIoClient*> clients;
  std::unique_ptr<Server> server;
};

TEST_F(TlsIoTest, APlainClientIsToldByAnAlertAndNeverLetIn) {
  start();
  const auto client = connect_plain();
  client->send("HR\x01 hello in plain text");
  std::string answer;
  ASSERT_TRUE(until([&] {
    answer += client->receive();
    return client->ended() || client->was_reset();
  }));
  ASSERT_EQ(answer.size(), 7u);
  EXPECT_EQ(answer[0], '\x15');
  EXPECT_TRUE(server->peers.empty());
  client->close();
  EXPECT_TRUE(until([&] { return below->open_sockets() == 0; }));
}

TEST_F(TlsIoTest, WhoIsSilentIsClosedWhenTheTimeOfTheHandshakeIsOver) {
  start();
  const auto client = connect_plain();
  ASSERT_TRUE(until([&] { return below->open_sockets() == 1; }));
  const int64_t began_us = network.now().mono_us;
  ASSERT_TRUE(until([&] { return below->open_sockets() == 0; }));
  EXPECT_GE(network.now().mono_us - began_us, kHandshakeUs - 10'000);
  EXPECT_LT(network.now().mono_us - began_us, kHandshakeUs + 100'000);
  EXPECT_TRUE(server->peers.empty());
}

TEST_F(TlsIoTest, WhoSendsAByteAtATimeIsLetInWhenItIsFastEnough) {
  start();
  const auto client = connect({authority.certificate(), "", ""}, 1);
  ASSERT_NE(accepted(), nullptr);
  EXPECT_TRUE(client->shake_hands());
}

TEST_F(TlsIoTest, WhoSendsAByteAtATimeTooSlowlyIsClosed) {
  start();
  const auto client = connect({authority.certificate(), "", ""}, 1);
  // One step of the client in 50 ms: its hello alone takes longer than the handshake may.
  const int64_t began_us = network.now().mono_us;
  while (network.now().mono_us - began_us < 2 * kHandshakeUs && below->next_event_us() > 0) {
    client->shake_hands();
    const int64_t next_us = network.now().mono_us + 50'000;
    while (network.now().mono_us < next_us) {
      io->poll();
      io->wait(next_us);
      network.advance_to(std::min(next_us, below->next_event_us()));
    }
  }
  EXPECT_TRUE(server->peers.empty());
  EXPECT_EQ(below->open_sockets(), 0u);
}

TEST_F(TlsIoTest, MoreHandshakesThanTheBoundAreClosedAtOnce) {
  start("", true, 2);
  const auto first = connect_plain();
  const auto second = connect_plain();
  ASSERT_TRUE(until([&] { return below->open_sockets() == 2; }));
  const auto third = connect_plain();
  ASSERT_TRUE(until([&] { return third->ended() || third->was_reset(); }, kHandshakeUs / 2));
  EXPECT_EQ(below->open_sockets(), 2u);
  // Once their time is over there is room again.
  ASSERT_TRUE(until([&] { return below->open_sockets() == 0; }));
  const auto fourth = connect();
  EXPECT_NE(accepted(), nullptr);
}

TEST_F(TlsIoTest, DoneHandshakesDoNotCountAgainstTheBound) {
  start("", true, 2);
  const auto slow = connect_plain();
  std::vector<std::unique_ptr<TlsIoClient>> fast;
  for (size_t i = 1; i <= 5; ++i) {
    fast.push_back(connect());
    ASSERT_TRUE(until([&] { return server->peers.size() == i; }, kHandshakeUs / 10));
  }
}

TEST_F(TlsIoTest, StopAcceptingClosesHandshakesThatAreUnderWay) {
  start();
  const auto client = connect_plain();
  ASSERT_TRUE(until([&] { return below->open_sockets() == 1; }));
  io->stop_accepting();
  EXPECT_TRUE(until([&] { return below->open_sockets() == 0; }, kHandshakeUs / 2));
}

TEST_F(TlsIoTest, AnEndWithoutCloseNotifyIsACutConnection) {
  start();
  auto plain = connect_plain();
  PlainClient* raw = plain.get();
  std::string error;
  TlsIoClient client(std::move(plain),
                     net::make_tls_client_context({authority.certificate(), "", ""}, &error),
                     &clients);
  Peer* peer = accepted();
  peer->receives_on = true;
  peer->receive();
  ASSERT_EQ(client.send("half"), 4u);
  ASSERT_TRUE(until([&] { return peer->received == "half"; }));
  raw->half_close();
  ASSERT_TRUE(until([&] { return peer->closed == 1; }));
  EXPECT_FALSE(peer->ended);
  EXPECT_EQ(peer->last_error, ECONNRESET);
}

TEST_F(TlsIoTest, FinishSendingSaysSoByCloseNotify) {
  start();
  const auto client = connect();
  Peer* peer = accepted();
  io->finish_sending(peer->socket());
  EXPECT_TRUE(until([&] {
    client->receive();
    return client->told_end();
  }));
}

TEST_F(TlsIoTest, ForgedBytesFailTheReceive) {
  start();
  auto plain = connect_plain();
  PlainClient* raw = plain.get();
  std::string error;
  TlsIoClient client(std::move(plain),
                     net::make_tls_client_context({authority.certificate(), "", ""}, &error),
                     &clients);
  Peer* peer = accepted();
  ASSERT_TRUE(until([&] { return client.shake_hands(); }));
  peer->receive();
  raw->send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  ASSERT_TRUE(until([&] { return peer->closed == 1; }));
  EXPECT_EQ(peer->last_error, EPROTO);
  EXPECT_TRUE(peer->received.empty());
}

TEST_F(TlsIoTest, KnowsTheSubjectOfAVerifiedClient) {
  start(authority.certificate());
  CertificateWish wish;
  wish.name = "client";
  wish.common_name = "mail, Zürich";
  wish.alternatives = "";
  const PemPair pair = authority.sign(wish);
  const auto client = connect({authority.certificate(), pair.certificate, pair.key});
  Peer* peer = accepted();
  EXPECT_EQ(io->peer_subject(peer->socket()), "CN=mail\\, Zürich,O=Headrace");
  EXPECT_EQ(below->peer_subject(peer->socket()), "");
  peer->close();
  EXPECT_EQ(io->peer_subject(peer->socket()), "");
}

TEST_F(TlsIoTest, AClientWithoutTheRequiredCertificateIsRefusedInWords) {
  start(authority.certificate());
  const auto client = connect();
  ASSERT_TRUE(until([&] {
    client->receive();
    return !client->error().empty();
  }));
  EXPECT_NE(client->error().find("--cert"), std::string::npos) << client->error();
  EXPECT_TRUE(server->peers.empty());
}

TEST_F(TlsIoTest, AnOptionalCertificateMayBeMissingButNotForeign) {
  start(authority.certificate(), false);
  const auto client = connect();
  EXPECT_EQ(io->peer_subject(accepted()->socket()), "");

  const CertificateAuthority stranger;
  const PemPair pair = stranger.sign({});
  const auto foreign = connect({authority.certificate(), pair.certificate, pair.key});
  ASSERT_TRUE(until([&] {
    foreign->receive();
    return !foreign->error().empty();
  }));
  EXPECT_EQ(server->peers.size(), 1u);
}

TEST_F(TlsIoTest, AClientRefusesAnotherAuthorityAndAnotherName) {
  start();
  const CertificateAuthority stranger;
  const auto client = connect({stranger.certificate(), "", ""});
  ASSERT_TRUE(until([&] { return !client->error().empty(); }));
  EXPECT_NE(client->error().find("--ca-file"), std::string::npos) << client->error();
  EXPECT_TRUE(server->peers.empty());

  CertificateWish wish;
  wish.alternatives = "IP:127.0.0.2,DNS:broker.example";
  authority.sign(wish);  // over the files of the server
  std::string error;
  ASSERT_TRUE(context->load(&error)) << error;
  const auto named = connect();
  ASSERT_TRUE(until([&] { return !named->error().empty(); }));
  EXPECT_NE(named->error().find("--server-name"), std::string::npos) << named->error();
}

TEST_F(TlsIoTest, AReloadIsForNewConnections) {
  start();
  const auto before = connect();
  Peer* peer = accepted();
  ASSERT_TRUE(until([&] { return before->shake_hands(); }));
  CertificateWish wish;
  wish.common_name = "renewed";
  authority.sign(wish);
  std::string error;
  ASSERT_TRUE(context->load(&error)) << error;
  const auto after = connect();
  ASSERT_TRUE(until([&] { return after->shake_hands(); }));
  EXPECT_EQ(before->peer_subject(), "CN=one,O=Headrace");
  EXPECT_EQ(after->peer_subject(), "CN=renewed,O=Headrace");
  peer->receive();
  ASSERT_EQ(before->send("still here"), 10u);
  EXPECT_TRUE(until([&] { return peer->received == "still here"; }));
}

}  // namespace
}  // namespace headrace::test
