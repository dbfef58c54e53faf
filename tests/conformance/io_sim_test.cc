// SimIo under the contract of Io, over several seeds, and its own promise: same seed, same trace.

#include "tests/conformance/io_suite.h"
#include "tests/conformance/io_tls.h"
#include "tests/support/sim_io.h"

namespace headrace::test {
namespace {

class SimIoClient final : public IoClient {
 public:
  explicit SimIoClient(std::unique_ptr<SimClient> client) : client_(std::move(client)) {}

  size_t send(std::string_view bytes) override { return client_->send(bytes); }
  std::string receive() override { return client_->receive(); }
  bool ended() override { return client_->ended(); }
  bool was_reset() override { return client_->was_reset(); }
  void half_close() override { client_->half_close(); }
  void close() override { client_->close(); }
  void reset() override { client_->reset(); }

 private:
  std::unique_ptr<SimClient> client_;
};

template <uint64_t kSeed>
class SimWorld final : public IoWorld {
 public:
  void start(const net::UringOptions& options) override { io_ = network_.make_io(options); }
  net::Io& io() override { return *io_; }
  std::unique_ptr<IoClient> connect(const net::Endpoint& to) override {
    std::unique_ptr<SimClient> client = network_.connect(to);
    if (client == nullptr) return nullptr;
    return std::make_unique<SimIoClient>(std::move(client));
  }
  void let_time_pass() override { network_.advance_to(io_->next_event_us()); }

 private:
  Prng prng_{kSeed};
  SimNetwork network_{&prng_, {}};
  std::unique_ptr<SimIo> io_;
};

using SimWorlds = testing::Types<SimWorld<1>, SimWorld<2>, SimWorld<3>, SimWorld<4>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, IoSuite, SimWorlds);
using SimTlsWorlds = testing::Types<TlsWorld<SimWorld<1>>, TlsWorld<SimWorld<2>>>;
INSTANTIATE_TYPED_TEST_SUITE_P(SimTls, IoSuite, SimTlsWorlds);

// Everything that happens in a noisy world, as text.
std::string trace(uint64_t seed) {
  Prng prng(seed);
  SimNetworkOptions options;
  options.reset_per_write = 0.0005;
  options.socket_buffer = 4096;
  SimNetwork network(&prng, options);
  std::string text;
  {
    const auto first = network.make_io({});
    const auto second = network.make_io({});
    Server left(first.get(), true);
    Server right(second.get(), true);
    std::vector<std::unique_ptr<SimClient>> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(network.connect(prng.chance(0.5) ? left.endpoint : right.endpoint));
    }
    for (int turn = 0; turn < 400; ++turn) {
      for (size_t i = 0; i < clients.size(); ++i) {
        const size_t sent = clients[i]->send(pattern(prng.below(3000)));
        const size_t received = clients[i]->receive().size();
        if (sent + received == 0) continue;
        text += std::to_string(network.now().mono_us) + " " + std::to_string(i) + " +" +
                std::to_string(sent) + " -" + std::to_string(received) + "\n";
      }
      for (SimIo* io : {first.get(), second.get()}) {
        if (!io->runnable()) continue;
        io->poll();
        io->wait(network.now().mono_us + 500);
      }
      network.advance_to(network.next_event_us());
    }
    for (const auto& client : clients) text += client->was_reset() ? "reset\n" : "open\n";
  }
  return text;
}

TEST(SimNetwork, SameSeedSameTrace) {
  const std::string once = trace(7);
  EXPECT_EQ(once, trace(7));
  EXPECT_NE(once, trace(8));
  EXPECT_NE(once.find("reset"), std::string::npos) << "no fault in this world: raise its rate";
  EXPECT_NE(once.find("open"), std::string::npos);
}

TEST(SimNetwork, ACrashedReactorResetsItsConnections) {
  Prng prng(1);
  SimNetwork network(&prng, {});
  auto io = network.make_io({});
  auto server = std::make_unique<Server>(io.get(), true);
  const net::Endpoint endpoint = server->endpoint;
  const auto client = network.connect(endpoint);
  for (io->poll(); server->peers.empty(); io->poll()) {
    io->wait(INT64_MAX);
    network.advance_to(network.next_event_us());
  }
  io.reset();
  EXPECT_EQ(network.connect(endpoint), nullptr);
  while (!client->was_reset()) network.advance_to(network.now().mono_us + 100);

  io = network.make_io({});  // it comes back under the same address
  Server again(io.get(), true);
  net::Endpoint bound;
  EXPECT_EQ(io->listen(endpoint, &again, &bound), 0);
  EXPECT_EQ(bound.port, endpoint.port);
  EXPECT_NE(network.connect(endpoint), nullptr);
  EXPECT_TRUE(io->next_event_us() < INT64_MAX);
}

TEST(SimNetwork, ASleepingReactorWakesOnTime) {
  Prng prng(1);
  SimNetwork network(&prng, {});
  const auto io = network.make_io({});
  EXPECT_TRUE(io->runnable());
  io->poll();
  io->wait(network.now().mono_us + 777);
  EXPECT_FALSE(io->runnable());
  EXPECT_EQ(network.next_event_us(), network.now().mono_us + 777);
  io->wake();
  EXPECT_TRUE(io->runnable());
}

}  // namespace
}  // namespace headrace::test
