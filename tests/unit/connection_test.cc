// Connection over a simulated network: frames cut anywhere, back-pressure, bounded output,
// farewells.
#include "net/connection.h"

#include <gtest/gtest.h>

#include <functional>

#include "headrace.pb.h"
#include "tests/support/sim_io.h"

namespace headrace::net {
namespace {

using native::Frame;
using native::FrameError;
using native::MessageType;
using test::Prng;
using test::SimClient;
using test::SimIo;
using test::SimNetwork;

// `size` bytes of payload that differ from id to id.
std::string payload(uint32_t id, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + id * 7 + i / 251);
  return bytes;
}

std::string frame(uint32_t id, size_t payload_size) {
  proto::Hello hello;
  hello.set_client("client " + std::to_string(id));
  const SharedBytes head =
      native::encode_frame(MessageType::hello, 0, id, hello, static_cast<uint32_t>(payload_size));
  return std::string(head.view()) + payload(id, payload_size);
}

class Session final : public FrameSink {
 public:
  void on_frame(Frame&& frame) override {
    EXPECT_FALSE(connection->paused()) << "a frame while paused";
    EXPECT_EQ(closed, 0);
    frames.push_back(std::move(frame));
    if (then) then(frames.back());
  }
  bool may_receive(const native::FrameHeader&) override {
    ++asked;
    return admits;
  }
  void on_frame_error(FrameError error) override { errors.push_back(error); }
  void on_end_of_input(bool inside_frame) override {
    EXPECT_FALSE(connection->paused()) << "the end while paused";
    ++ends;
    ended_inside_frame = inside_frame;
  }
  void on_output_full() override { ++full; }
  void on_output_drained() override { ++drained; }
  void on_closed(int error) override {
    ++closed;
    last_error = error;
  }

  std::unique_ptr<Connection> connection;
  std::function<void(const Frame&)> then;
  std::vector<Frame> frames;
  std::vector<FrameError> errors;
  bool admits = true;
  int asked = 0;
  int ends = 0;
  bool ended_inside_frame = false;
  int full = 0;
  int drained = 0;
  int closed = 0;
  int last_error = 0;
};

// One connection in a world of its own.
class World final : public AcceptHandler {
 public:
  explicit World(uint64_t seed, const ConnectionLimits& limits = {}) : prng(seed), limits_(limits) {
    EXPECT_EQ(io->listen({"127.0.0.1", 0}, this, &endpoint_), 0);
    client = network.connect(endpoint_);
    EXPECT_TRUE(until([&] { return session.connection != nullptr; }));
  }
  void on_accepted(SocketId socket, const Endpoint&) override {
    session.connection = std::make_unique<Connection>(*io, socket, limits_, &session);
    session.connection->start();
  }

  void step() {
    io->poll();
    received += client->receive(reads);
    io->wait(network.now().mono_us + 1000);
    network.advance_to(network.next_event_us());
  }
  bool until(const std::function<bool()>& condition) {
    for (int i = 0; i < 200'000; ++i) {
      if (condition()) return true;
      step();
    }
    return false;
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }
  bool send_all(std::string_view bytes) {
    return until([&] {
      bytes.remove_prefix(client->send(bytes));
      return bytes.empty();
    });
  }
  Connection& connection() { return *session.connection; }

  Prng prng;
  SimNetwork network{&prng, {}};
  std::unique_ptr<SimIo> io = network.make_io({});
  std::unique_ptr<SimClient> client;
  Session session;
  std::string received;     // by the client
  size_t reads = SIZE_MAX;  // how much the client reads at a time; 0: it does not

 private:
  const ConnectionLimits limits_;
  Endpoint endpoint_;
};

void expect_frame(const Frame& frame, uint32_t id, size_t payload_size) {
  EXPECT_EQ(frame.header.request_id, id);
  proto::Hello hello;
  ASSERT_TRUE(hello.ParseFromArray(frame.message.data(), static_cast<int>(frame.message.size())));
  EXPECT_EQ(hello.client(), "client " + std::to_string(id));
  EXPECT_TRUE(frame.payload.view() == payload(id, payload_size)) << "payload of " << id;
}

TEST(Connection, FramesOfAllSizesCutAnywhere) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    std::vector<size_t> sizes;
    std::string stream;
    for (uint32_t id = 0; id < 60; ++id) {
      constexpr size_t kMost[] = {1, 40, 3000, 17'000, 200'000};
      sizes.push_back(world.prng.below(kMost[world.prng.below(5)]));
      stream += frame(id, sizes.back());
    }
    ASSERT_TRUE(world.send_all(stream));
    ASSERT_TRUE(world.until([&] { return world.session.frames.size() == sizes.size(); }));
    for (uint32_t id = 0; id < sizes.size(); ++id) {
      expect_frame(world.session.frames[id], id, sizes[id]);
    }
    EXPECT_TRUE(world.session.errors.empty());
    EXPECT_EQ(world.connection().received_bytes(), stream.size());
  }
}

TEST(Connection, OneByteAtATime) {
  World world(1);
  const std::string stream = frame(1, 5) + frame(2, 0) + frame(3, 1);
  for (const char byte : stream) {
    ASSERT_TRUE(world.send_all({&byte, 1}));
    world.steps(4);
  }
  ASSERT_TRUE(world.until([&] { return world.session.frames.size() == 3; }));
  expect_frame(world.session.frames[2], 3, 1);
}

TEST(Connection, APayloadIsWritableOnceTheMessageIsDropped) {
  World world(1);
  ASSERT_TRUE(world.send_all(frame(1, 100) + frame(2, 100) + frame(3, 100'000)));
  ASSERT_TRUE(world.until([&] { return world.session.frames.size() == 3; }));
  for (Frame& each : world.session.frames) {
    each.message = {};
    each.payload.mutable_data()[0] = std::byte{1};  // checks that nobody shares the block
  }
}

TEST(Connection, PausedItReceivesNothingAndHoldsWhatCame) {
  World world(3);
  world.session.then = [&](const Frame&) { world.connection().pause(); };
  std::string stream;
  for (uint32_t id = 0; id < 2000; ++id) stream += frame(id, 100);  // more than the socket buffer
  std::string_view left = stream;
  for (int i = 0; i < 500; ++i) {
    left.remove_prefix(world.client->send(left));
    world.step();
  }
  EXPECT_EQ(world.session.frames.size(), 1u);
  EXPECT_FALSE(left.empty()) << "the sender was not stopped";
  EXPECT_LE(world.connection().received_bytes(), 2 * kSmallReceive);

  // Each resume lets one frame out, out of what is held, in order.
  for (size_t count = 1; count < 10; ++count) {
    ASSERT_EQ(world.session.frames.size(), count);
    world.connection().resume();
    ASSERT_TRUE(world.until([&] { return world.session.frames.size() > count; }));
    world.steps(3);
  }
  world.session.then = nullptr;
  world.connection().resume();
  ASSERT_TRUE(world.until([&] {
    left.remove_prefix(world.client->send(left));
    return world.session.frames.size() == 2000;
  }));
  for (uint32_t id = 0; id < 2000; ++id) expect_frame(world.session.frames[id], id, 100);
}

TEST(Connection, PauseAndResumeAtRandom) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    world.session.then = [&](const Frame&) {
      if (world.prng.chance(0.3)) world.connection().pause();
    };
    std::vector<size_t> sizes;
    std::string stream;
    for (uint32_t id = 0; id < 100; ++id) {
      sizes.push_back(world.prng.below(world.prng.chance(0.2) ? 60'000 : 500));
      stream += frame(id, sizes.back());
    }
    std::string_view left = stream;
    ASSERT_TRUE(world.until([&] {
      left.remove_prefix(world.client->send(left));
      if (world.prng.chance(0.1)) world.connection().pause();
      if (world.prng.chance(0.3)) world.connection().resume();
      if (left.empty()) world.client->half_close();
      return world.session.ends == 1;
    }));
    ASSERT_EQ(world.session.frames.size(), sizes.size()) << "the end came before the frames";
    for (uint32_t id = 0; id < sizes.size(); ++id) {
      expect_frame(world.session.frames[id], id, sizes[id]);
    }
    EXPECT_FALSE(world.session.ended_inside_frame);
  }
}

TEST(Connection, TheOwnerMayRefuseALongFrameForAWhile) {
  World world(1);
  world.session.admits = false;
  ASSERT_TRUE(world.send_all(frame(1, 10)));
  const std::string big = frame(2, 60'000);
  std::string_view left = big;
  for (int i = 0; i < 300; ++i) {
    left.remove_prefix(world.client->send(left));
    world.step();
  }
  EXPECT_LE(world.session.frames.size(), 1u);
  const int asked = world.session.asked;
  EXPECT_GT(asked, 0);
  world.steps(20);
  EXPECT_EQ(world.session.asked, asked) << "asked again without resume()";
  world.session.admits = true;
  world.connection().resume();
  ASSERT_TRUE(world.until([&] {
    left.remove_prefix(world.client->send(left));
    return world.session.frames.size() == 2;
  }));
  expect_frame(world.session.frames[1], 2, 60'000);
}

TEST(Connection, EndOfInput) {
  for (const bool inside : {false, true}) {
    World world(2);
    ASSERT_TRUE(world.send_all(frame(1, 10)));
    ASSERT_TRUE(world.send_all(frame(2, 10).substr(0, inside ? 30 : 0)));
    world.client->half_close();
    ASSERT_TRUE(world.until([&] { return world.session.ends == 1; }));
    EXPECT_EQ(world.session.frames.size(), 1u);
    EXPECT_EQ(world.session.ended_inside_frame, inside);
    // The answer still leaves, then both sides are done.
    world.connection().send(SharedBytes::copy_of("answer"));
    world.connection().close_after_flush();
    ASSERT_TRUE(world.until([&] { return world.session.closed == 1; }));
    ASSERT_TRUE(world.until([&] { return world.client->ended(); }));
    EXPECT_EQ(world.received, "answer");
    EXPECT_EQ(world.session.last_error, 0);
  }
}

TEST(Connection, GarbageIsToldOnceAndAnsweredWithAFarewell) {
  ConnectionLimits limits;
  limits.max_message_bytes = 1000;
  limits.max_payload_bytes = 1000;
  proto::Hello large;
  large.set_client(std::string(2000, 'x'));
  std::string bad_crc = frame(1, 10);
  bad_crc[20] ^= 1;
  const struct {
    std::string bytes;
    FrameError error;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", FrameError::looks_like_http},
      {std::string("\x16\x03\x01\x02\x00", 5), FrameError::looks_like_tls},
      {std::string(100'000, '\xff'), FrameError::not_headrace},
      {frame(1, 1001), FrameError::payload_too_large},
      {std::string(native::encode_frame(MessageType::hello, 0, 1, large, 0).view()),
       FrameError::message_too_large},
      {bad_crc, FrameError::bad_crc},
  };
  for (const auto& [bytes, error] : cases) {
    SCOPED_TRACE(native::to_string(error));
    World world(5, limits);
    ASSERT_TRUE(world.send_all(frame(9, 3)));
    std::string_view left = bytes;
    ASSERT_TRUE(world.until([&] {
      left.remove_prefix(world.client->send(left));
      return !world.session.errors.empty();
    }));
    for (int i = 0; i < 50; ++i) {
      left.remove_prefix(world.client->send(left));
      world.step();
    }
    EXPECT_EQ(world.session.errors, std::vector{error}) << "told once";
    EXPECT_EQ(world.session.frames.size(), 1u);

    world.connection().send(SharedBytes::copy_of("what is wrong"));
    world.connection().close_after_flush();
    world.connection().send(SharedBytes::copy_of("ignored"));
    // The farewell arrives although the client had sent more than we read.
    ASSERT_TRUE(world.until([&] {
      left.remove_prefix(world.client->send(left));
      return left.empty() && world.client->ended();
    }));
    EXPECT_EQ(world.received, "what is wrong");
    EXPECT_EQ(world.session.closed, 0) << "closed before the peer had read";
    world.client->close();
    ASSERT_TRUE(world.until([&] { return world.session.closed == 1; }));
    EXPECT_EQ(world.session.errors.size(), 1u);
    EXPECT_EQ(world.session.frames.size(), 1u);
  }
}

TEST(Connection, APeerThatNeverStopsSendingIsNotDrainedForever) {
  World world(1);
  world.connection().close_after_flush();
  const std::string noise(4096, 'x');
  ASSERT_TRUE(world.until([&] {
    world.client->send(noise);
    return world.session.closed == 1;
  }));
  EXPECT_LE(world.connection().received_bytes(), kMaxDrainBytes + 2 * kSmallReceive);
}

TEST(Connection, AFarewellNobodyReadsDoesNotDrainForever) {
  World world(1);
  world.reads = 0;
  world.connection().send(SharedBytes::copy_of(std::string(300'000, 'x')));
  world.connection().close_after_flush();
  const std::string noise(4096, 'x');
  size_t sent = 0;
  for (int i = 0; i < 5000; ++i) {
    sent += world.client->send(noise);
    world.step();
  }
  EXPECT_GT(sent, kMaxDrainBytes);
  EXPECT_LE(world.connection().received_bytes(), kMaxDrainBytes + 2 * kSmallReceive);
  EXPECT_EQ(world.session.closed, 0) << "that is for the owner's deadline";
  world.connection().close();
  ASSERT_TRUE(world.until([&] { return world.session.closed == 1; }));
}

TEST(Connection, BlocksAreFreedAsTheyLeave) {
  World world(1);
  world.reads = 0;
  SharedBytes first = SharedBytes::copy_of("first");
  world.connection().send(first);
  for (size_t i = 0; i < kMaxSendParts; ++i) {
    world.connection().send(SharedBytes::copy_of(std::string(1000, 'x')));
  }
  world.connection().flush();
  world.reads = SIZE_MAX;
  ASSERT_TRUE(world.until([&] { return world.connection().sent_bytes() > 5; }));
  first.mutable_data()[0] = std::byte{'F'};  // checks that nobody else holds it
}

TEST(Connection, SendsHeadAndPartsInOrder) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    std::string expected;
    const auto queue = [&](std::string bytes) {
      expected += bytes;
      return SharedBytes::copy_of(bytes);
    };
    for (uint32_t i = 0; i < 500; ++i) {
      const SharedBytes head = queue(payload(i, 1 + world.prng.below(60)));
      std::vector<SharedBytes> parts;
      for (uint64_t n = world.prng.below(5); n > 0; --n) {
        parts.push_back(queue(payload(i, world.prng.below(2000))));
      }
      world.connection().send(head, parts);
      if (world.prng.chance(0.1)) world.connection().flush();
      if (world.prng.chance(0.1)) world.step();
    }
    world.connection().flush();
    ASSERT_TRUE(world.until([&] { return world.received.size() >= expected.size(); }));
    EXPECT_TRUE(world.received == expected);
    ASSERT_TRUE(world.until([&] { return world.connection().output_bytes() == 0; }));
    EXPECT_EQ(world.connection().sent_bytes(), expected.size());
  }
}

TEST(Connection, NothingLeavesBeforeFlush) {
  World world(1);
  world.connection().send(SharedBytes::copy_of("waits"));
  world.steps(20);
  EXPECT_EQ(world.received, "");
  EXPECT_EQ(world.connection().output_bytes(), 5u);
  world.connection().flush();
  ASSERT_TRUE(world.until([&] { return world.received == "waits"; }));
}

TEST(Connection, ASlowReaderIsToldToTheOwner) {
  ConnectionLimits limits;
  limits.max_output_bytes = 100'000;
  World world(1, limits);
  world.reads = 0;
  while (world.session.full == 0) {
    ASSERT_LE(world.connection().output_bytes(), 250'000u);
    world.connection().send(SharedBytes::copy_of(payload(1, 10'000)));
    world.connection().flush();
    world.step();
  }
  EXPECT_TRUE(world.connection().output_full());
  EXPECT_GT(world.connection().output_bytes(), limits.max_output_bytes);
  world.connection().send(SharedBytes::copy_of("still queued"));
  world.connection().flush();
  EXPECT_EQ(world.session.full, 1) << "told once";
  world.steps(50);
  EXPECT_EQ(world.session.drained, 0);

  world.reads = 5'000;
  ASSERT_TRUE(world.until([&] { return world.session.drained == 1; }));
  EXPECT_FALSE(world.connection().output_full());
  EXPECT_LE(world.connection().output_bytes(), limits.max_output_bytes / 2);
  ASSERT_TRUE(world.until([&] { return world.connection().output_bytes() == 0; }));
  EXPECT_EQ(world.session.drained, 1);
  EXPECT_EQ(world.session.full, 1);
}

TEST(Connection, CloseDropsTheOutputAndTellsOnce) {
  World world(1);
  world.reads = 0;
  world.connection().send(SharedBytes::copy_of(std::string(300'000, 'x')));
  world.connection().flush();
  world.steps(10);
  world.connection().close();
  world.connection().close();
  EXPECT_EQ(world.session.closed, 0);
  ASSERT_TRUE(world.until([&] { return world.session.closed == 1; }));
  world.steps(20);
  EXPECT_EQ(world.session.closed, 1);
  EXPECT_EQ(world.session.last_error, 0);
}

TEST(Connection, CloseInsideOnFrameStopsTheRest) {
  World world(1);
  world.session.then = [&](const Frame&) { world.connection().close(); };
  ASSERT_TRUE(world.send_all(frame(1, 10) + frame(2, 10) + frame(3, 50'000)));
  ASSERT_TRUE(world.until([&] { return world.session.closed == 1; }));
  EXPECT_EQ(world.session.frames.size(), 1u);
}

TEST(Connection, AResetClosesItAndNamesTheError) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    ASSERT_TRUE(world.send_all(frame(1, 10) + frame(2, 50'000).substr(0, 20'000)));
    world.steps(static_cast<int>(world.prng.below(30)));
    world.client->reset();
    ASSERT_TRUE(world.until([&] { return world.session.closed == 1; }));
    EXPECT_EQ(world.session.last_error, ECONNRESET);
    EXPECT_EQ(world.session.ends, 0);
  }
}

}  // namespace
}  // namespace headrace::net
