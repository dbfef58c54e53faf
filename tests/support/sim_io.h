// A simulated network: several reactors (SimIo, the Io seam) and clients (SimClient) in one world
// with virtual time. Every choice - how bytes are cut, how long they travel, in which order
// completions run, when a connection breaks - comes from the Prng passed in: the same seed gives
// the same trace. Single-threaded.
//
// How a simulator uses it:
//   Prng prng(seed);
//   SimNetwork network(&prng, options);
//   std::unique_ptr<SimIo> io = network.make_io({});       // one per reactor; hand it to
//   production auto client = network.connect(endpoint);                // once something listens
//   there loop: run a turn of each reactor whose io->runnable(); let clients send() and receive();
//         if nothing is runnable: network.advance_to(network.next_event_us()).
// SimIo::wait() never blocks: it notes until when the reactor sleeps. runnable() is true when that
// time has come, when a completion is due, or after wake().
// Destroying a SimIo is a crash of that reactor: its connections are reset, its listeners are gone.
//
// What is real: bounded socket buffers (a receiver who does not read stops the sender), half-close,
// reset when a socket is closed with unread input or written to after its peer closed, memory that
// stays in use until on_closed (it is scribbled on at that moment, so that too early a free shows
// under the address sanitizer).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/io.h"
#include "tests/support/prng.h"

namespace headrace::test {

struct SimNetworkOptions {
  int64_t least_delay_us = 20;  // of a segment, one way
  int64_t most_delay_us = 2'000;
  size_t socket_buffer = 64 * 1024;  // bytes a direction holds: sent and not read
  size_t most_segment = 16 * 1024;   // a write is cut into segments of 1..this
  double tiny_segments = 0.1;        // share of writes cut into 1..3 bytes
  double reset_per_write = 0;        // faults: the connection breaks
  int64_t start_mono_us = 1'000'000;
  int64_t start_wall_us = 1'700'000'000'000'000;
};

// One direction of a connection: what was written and not read yet.
class SimPipe {
 public:
  struct Segment {
    int64_t arrives_us = 0;
    std::string bytes;
  };

  size_t size() const { return size_; }
  bool readable(int64_t now_us) const;
  int64_t next_us() const;  // when the next segment, end or reset arrives; INT64_MAX: nothing sent
  std::string read(size_t most, int64_t now_us);

  std::deque<Segment> segments;
  size_t size_ = 0;
  int64_t last_arrival_us = 0;  // segments never overtake
  int64_t ends_us = INT64_MAX;  // when the writer's end of input arrives
};

struct SimLink {
  SimPipe to_server;
  SimPipe to_client;
  int64_t reset_us = INT64_MAX;  // from then on both sides see ECONNRESET
  bool client_closed = false;
  bool server_closed = false;
};

class SimIo;
class SimClient;

class SimNetwork {
 public:
  SimNetwork(Prng* prng, const SimNetworkOptions& options);
  ~SimNetwork();  // after its SimIos and SimClients

  std::unique_ptr<SimIo> make_io(const net::UringOptions& options);
  // nullptr: nobody listens there. Several listeners: one of them, by the Prng.
  std::unique_ptr<SimClient> connect(const net::Endpoint& to);

  Time now() const { return now_; }
  // Earliest time at which any reactor is runnable or any client has something to receive.
  int64_t next_event_us() const;
  void advance_to(int64_t mono_us);  // never backwards
  void step_wall_clock(int64_t by_us) { now_.wall_us += by_us; }

  // For phases of a run: change the faults, break a share of the connections now.
  SimNetworkOptions& options() { return options_; }
  void reset_some(double share);

 private:
  friend class SimIo;
  friend class SimClient;

  size_t write(SimLink& link, SimPipe& pipe, std::string_view bytes);
  int64_t delay_us() { return prng_.between(options_.least_delay_us, options_.most_delay_us); }
  void end(SimPipe& pipe);
  void reset(SimLink& link) { link.reset_us = std::min(link.reset_us, now_.mono_us + delay_us()); }
  void forget_dead_links();

  Prng& prng_;
  SimNetworkOptions options_;
  Time now_;
  uint16_t next_port_ = 20'000;
  uint16_t next_client_port_ = 40'000;
  std::vector<SimIo*> ios_;                    // in order of making
  std::vector<std::weak_ptr<SimLink>> links_;  // in order of connecting
};

// A client's socket. Nothing blocks and nothing calls back.
class SimClient {
 public:
  ~SimClient() { close(); }

  // Takes what fits into the socket buffer, 0 when it is full (or the connection is gone).
  size_t send(std::string_view bytes);
  // What has arrived, at most `most`; empty: nothing now (or ended() or was_reset()).
  std::string receive(size_t most = SIZE_MAX);
  bool ended() const;  // the broker closed and everything was received
  bool was_reset() const;
  void half_close();  // sends no more, still receives
  void close();
  void reset();  // breaks the connection

 private:
  friend class SimNetwork;
  SimClient(SimNetwork* network, std::shared_ptr<SimLink> link)
      : network_(*network), link_(std::move(link)) {}

  SimNetwork& network_;
  std::shared_ptr<SimLink> link_;
  bool half_closed_ = false;
};

class SimIo final : public net::Io {
 public:
  ~SimIo() override;

  bool runnable() const { return next_event_us() <= network_.now().mono_us; }
  int64_t next_event_us() const;  // INT64_MAX: sleeps until something outside happens
  size_t open_sockets() const;

  Time now() override { return network_.now(); }
  int listen(const net::Endpoint& wanted, net::AcceptHandler* handler,
             net::Endpoint* bound) override;
  void stop_accepting() override { listeners_.clear(); }
  void attach(net::SocketId socket, net::SocketHandler* handler) override;
  void receive_some(net::SocketId socket) override;
  void receive_into(net::SocketId socket, std::span<std::byte> target) override;
  void send(net::SocketId socket, std::span<const iovec> parts) override;
  void finish_sending(net::SocketId socket) override;
  void close(net::SocketId socket) override;
  void poll() override;
  void wait(int64_t until_mono_us) override;
  void wake() noexcept override { woken_ = true; }

 private:
  friend class SimNetwork;

  enum class Receive : uint8_t { none, some, into };
  struct Socket {
    bool used = false;
    uint32_t generation = 0;
    std::shared_ptr<SimLink> link;
    net::SocketHandler* handler = nullptr;
    Receive receive = Receive::none;
    std::span<std::byte> target;
    bool sending = false;
    std::span<const iovec> parts;
    size_t part = 0;  // what of `parts` has left
    size_t offset = 0;
    int64_t closes_us = INT64_MAX;  // close() was called: when on_closed comes
  };
  struct Listener {
    net::Endpoint endpoint;
    net::AcceptHandler* handler = nullptr;
  };
  struct Arrival {
    int64_t arrives_us = 0;
    net::Endpoint listener;
    net::Endpoint peer;
    std::shared_ptr<SimLink> link;
  };
  enum class Op : uint8_t { accept, receive, send, close };
  struct Event {
    Op op;
    uint32_t slot;
    uint32_t generation;
  };

  SimIo(SimNetwork* network, const net::UringOptions& options)
      : network_(*network), options_(options) {}

  Socket* find(net::SocketId id);
  const Listener* find_listener(const net::Endpoint& endpoint) const;
  int64_t event_us(const Socket& socket, Op op) const;
  void run(const Event& event);
  void accept_one();
  void run_receive(Socket& socket);
  void run_send(Socket& socket);
  void run_close(uint32_t slot);
  void abandon(SimLink& link);

  SimNetwork& network_;
  const net::UringOptions options_;
  std::vector<Listener> listeners_;
  std::deque<Arrival> arrivals_;
  std::deque<Socket> sockets_;
  std::vector<uint32_t> free_slots_;
  int64_t sleeps_until_us_ = 0;
  std::atomic<bool> woken_{false};
};

}  // namespace headrace::test
