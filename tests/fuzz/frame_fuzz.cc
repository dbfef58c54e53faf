// Frames from hostile bytes: a Connection that gets the stream cut anywhere must see exactly what a
// plain scan of the whole stream sees, and stop at the same error.
//
// Input: 8 bytes seed of the simulated network, then items: one byte kind, two bytes size, so many
// bytes. Even kinds: the bytes go into the stream as they are; odd: they become a sealed frame (the
// fuzzer cannot guess a CRC32C), split between message and payload by the kind.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "metrics/check.h"
#include "net/connection.h"
#include "tests/support/sim_io.h"

namespace headrace::test {
namespace {

using net::native::Frame;
using net::native::FrameError;
using net::native::FrameHeader;
using net::native::kFrameHeaderSize;

struct Seen {
  std::vector<std::string> frames;  // message and payload
  FrameError error = FrameError::ok;
  bool operator==(const Seen&) const = default;
};

std::string sealed(uint8_t kind, std::string_view body) {
  const size_t message_size = body.size() * (kind >> 1) / 127;
  std::string frame(kFrameHeaderSize, '\0');
  frame += body;
  FrameHeader header;
  header.type = kind;
  header.message_size = static_cast<uint32_t>(message_size);
  header.payload_size = static_cast<uint32_t>(body.size() - message_size);
  net::native::seal_frame(reinterpret_cast<std::byte*>(frame.data()), header);
  return frame;
}

std::string build_stream(const uint8_t* data, size_t size) {
  std::string stream;
  while (size >= 3) {
    const size_t wanted = size_t{data[1]} << 8 | data[2];
    const size_t length = std::min(wanted, size - 3);
    const std::string_view body(reinterpret_cast<const char*>(data) + 3, length);
    stream += (data[0] & 1) != 0 ? sealed(data[0], body) : std::string(body);
    data += 3 + length;
    size -= 3 + length;
  }
  return stream;
}

Seen scan(std::string_view stream) {
  Seen seen;
  while (true) {
    const auto bytes = std::as_bytes(std::span(stream.data(), stream.size()));
    FrameHeader header;
    const FrameError error = net::native::read_frame_header(bytes, &header);
    if (error == FrameError::need_more) return seen;
    seen.error = error;
    if (error != FrameError::ok || bytes.size() < header.total_size()) return seen;
    if (!net::native::check_frame_crc(bytes, header)) {
      seen.error = FrameError::bad_crc;
      return seen;
    }
    seen.frames.emplace_back(
        stream.substr(kFrameHeaderSize, header.total_size() - kFrameHeaderSize));
    stream.remove_prefix(header.total_size());
  }
}

class Receiver final : public net::FrameSink, public net::AcceptHandler {
 public:
  Receiver(SimIo* io, Prng* prng) : io_(*io), prng_(*prng) {}

  void on_accepted(net::SocketId socket, const net::Endpoint&) override {
    connection = std::make_unique<net::Connection>(io_, socket, net::ConnectionLimits{}, this);
    connection->start();
  }
  void on_frame(Frame&& frame) override {
    HR_CHECK(seen.error == FrameError::ok && !ended);
    seen.frames.emplace_back(std::string(frame.message.view()) + std::string(frame.payload.view()));
    if (prng_.chance(0.2)) connection->pause();
  }
  bool may_receive(const FrameHeader&) override { return prng_.chance(0.8); }
  void on_frame_error(FrameError error) override {
    HR_CHECK(seen.error == FrameError::ok && error != FrameError::ok);
    seen.error = error;
  }
  void on_end_of_input(bool) override { ended = true; }
  void on_output_full() override {}
  void on_output_drained() override {}
  void on_closed(int) override { closed = true; }

  std::unique_ptr<net::Connection> connection;
  Seen seen;
  bool ended = false;
  bool closed = false;

 private:
  SimIo& io_;
  Prng& prng_;
};

Seen receive(uint64_t seed, std::string_view stream) {
  Prng prng(seed);
  SimNetwork network(&prng, {});
  const std::unique_ptr<SimIo> io = network.make_io({});
  Receiver receiver(io.get(), &prng);
  net::Endpoint endpoint;
  HR_CHECK(io->listen({"127.0.0.1", 0}, &receiver, &endpoint) == 0);
  const std::unique_ptr<SimClient> client = network.connect(endpoint);
  while (!receiver.ended && receiver.seen.error == FrameError::ok) {
    stream.remove_prefix(client->send(stream));
    if (stream.empty()) client->half_close();
    io->poll();
    if (receiver.connection != nullptr) receiver.connection->resume();
    io->wait(network.now().mono_us + 1000);
    network.advance_to(network.next_event_us());
  }
  receiver.connection->close();
  while (!receiver.closed) {
    io->poll();
    io->wait(INT64_MAX);
    if (!receiver.closed) network.advance_to(network.next_event_us());
  }
  return receiver.seen;
}

}  // namespace
}  // namespace headrace::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::test;
  if (size < 8) return 0;
  uint64_t seed = 0;
  std::memcpy(&seed, data, sizeof(seed));
  const std::string stream = build_stream(data + 8, size - 8);
  // A frame that was announced and did not come is no error.
  Seen expected = scan(stream);
  const Seen seen = receive(seed, stream);
  HR_CHECK(seen == expected);
  return 0;
}
