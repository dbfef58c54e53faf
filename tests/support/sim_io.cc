#include "tests/support/sim_io.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "metrics/check.h"
#include "metrics/counters.h"

namespace headrace::test {

using net::Endpoint;
using net::SocketId;

// ---- pipe

bool SimPipe::readable(int64_t now_us) const {
  return !segments.empty() && segments.front().arrives_us <= now_us;
}

int64_t SimPipe::next_us() const {
  return segments.empty() ? ends_us : segments.front().arrives_us;
}

std::string SimPipe::read(size_t most, int64_t now_us) {
  std::string bytes;
  while (bytes.size() < most && readable(now_us)) {
    std::string& front = segments.front().bytes;
    const size_t size = std::min(front.size(), most - bytes.size());
    bytes.append(front, 0, size);
    front.erase(0, size);
    if (front.empty()) segments.pop_front();
  }
  size_ -= bytes.size();
  return bytes;
}

// ---- network

SimNetwork::SimNetwork(Prng* prng, const SimNetworkOptions& options)
    : prng_(*prng), options_(options), now_{options.start_mono_us, options.start_wall_us} {}

SimNetwork::~SimNetwork() {
  HR_CHECK(ios_.empty());
}

std::unique_ptr<SimIo> SimNetwork::make_io(const net::UringOptions& options) {
  std::unique_ptr<SimIo> io(new SimIo(this, options));
  ios_.push_back(io.get());
  return io;
}

std::unique_ptr<SimClient> SimNetwork::connect(const Endpoint& to) {
  std::vector<SimIo*> listening;
  for (SimIo* io : ios_) {
    if (io->find_listener(to) != nullptr) listening.push_back(io);
  }
  if (listening.empty()) return nullptr;
  SimIo* io = listening[prng_.below(listening.size())];
  forget_dead_links();
  auto link = std::make_shared<SimLink>();
  links_.push_back(link);
  io->arrivals_.push_back({now_.mono_us + delay_us(), to, {"10.0.0.1", next_client_port_++}, link});
  return std::unique_ptr<SimClient>(new SimClient(this, std::move(link)));
}

int64_t SimNetwork::next_event_us() const {
  int64_t earliest = INT64_MAX;
  for (const SimIo* io : ios_) earliest = std::min(earliest, io->next_event_us());
  for (const auto& weak : links_) {
    const std::shared_ptr<SimLink> link = weak.lock();
    if (link == nullptr || link->client_closed) continue;
    // What has arrived already is the client's to take: not an event to wait for.
    for (const int64_t at_us : {link->to_client.next_us(), link->reset_us}) {
      if (at_us > now_.mono_us) earliest = std::min(earliest, at_us);
    }
  }
  return std::max(earliest, now_.mono_us);
}

void SimNetwork::advance_to(int64_t mono_us) {
  HR_CHECK(mono_us >= now_.mono_us && mono_us != INT64_MAX);
  now_.wall_us += mono_us - now_.mono_us;
  now_.mono_us = mono_us;
}

void SimNetwork::reset_some(double share) {
  for (const auto& weak : links_) {
    const std::shared_ptr<SimLink> link = weak.lock();
    if (link != nullptr && prng_.chance(share)) reset(*link);
  }
}

size_t SimNetwork::write(SimLink& link, SimPipe& pipe, std::string_view bytes) {
  if (!bytes.empty() && prng_.chance(options_.reset_per_write)) reset(link);
  const size_t room = options_.socket_buffer - std::min(options_.socket_buffer, pipe.size());
  const size_t taken = std::min(room, bytes.size());
  const size_t most = prng_.chance(options_.tiny_segments) ? 3 : options_.most_segment;
  std::string_view rest = bytes.substr(0, taken);
  for (size_t cuts = 0; !rest.empty(); ++cuts) {
    const size_t cut = cuts < 64 ? 1 + prng_.below(std::min(most, rest.size())) : rest.size();
    pipe.last_arrival_us = std::max(pipe.last_arrival_us, now_.mono_us + delay_us());
    pipe.segments.push_back({pipe.last_arrival_us, std::string(rest.substr(0, cut))});
    rest.remove_prefix(cut);
  }
  pipe.size_ += taken;
  return taken;
}

void SimNetwork::end(SimPipe& pipe) {
  if (pipe.ends_us != INT64_MAX) return;
  pipe.ends_us = std::max(pipe.last_arrival_us, now_.mono_us + delay_us());
}

void SimNetwork::forget_dead_links() {
  std::erase_if(links_, [](const std::weak_ptr<SimLink>& link) { return link.expired(); });
}

// ---- client

size_t SimClient::send(std::string_view bytes) {
  if (half_closed_ || link_->client_closed || was_reset()) return 0;
  if (link_->server_closed && !bytes.empty()) {
    network_.reset(*link_);
    return 0;
  }
  return network_.write(*link_, link_->to_server, bytes);
}

std::string SimClient::receive(size_t most) {
  if (link_->client_closed || was_reset()) return {};
  return link_->to_client.read(most, network_.now().mono_us);
}

bool SimClient::ended() const {
  return link_->to_client.segments.empty() && link_->to_client.ends_us <= network_.now().mono_us;
}

bool SimClient::was_reset() const {
  return link_->reset_us <= network_.now().mono_us;
}

void SimClient::half_close() {
  half_closed_ = true;
  network_.end(link_->to_server);
}

void SimClient::close() {
  if (std::exchange(link_->client_closed, true)) return;
  if (link_->to_client.size() > 0) network_.reset(*link_);
  network_.end(link_->to_server);
}

void SimClient::reset() {
  link_->client_closed = true;
  network_.reset(*link_);
}

// ---- Io: operations

SimIo::~SimIo() {
  for (const Arrival& arrival : arrivals_) abandon(*arrival.link);
  for (const Socket& socket : sockets_) {
    if (socket.used) abandon(*socket.link);
  }
  std::erase(network_.ios_, this);
}

void SimIo::abandon(SimLink& link) {
  link.server_closed = true;
  network_.reset(link);
}

size_t SimIo::open_sockets() const {
  return static_cast<size_t>(
      std::count_if(sockets_.begin(), sockets_.end(), [](const Socket& s) { return s.used; }));
}

SimIo::Socket* SimIo::find(SocketId id) {
  if (id.slot >= sockets_.size()) return nullptr;
  Socket& socket = sockets_[id.slot];
  const bool closing = socket.closes_us != INT64_MAX;
  return socket.used && socket.generation == id.generation && !closing ? &socket : nullptr;
}

const SimIo::Listener* SimIo::find_listener(const Endpoint& endpoint) const {
  for (const Listener& listener : listeners_) {
    if (listener.endpoint.host == endpoint.host && listener.endpoint.port == endpoint.port) {
      return &listener;
    }
  }
  return nullptr;
}

int SimIo::listen(const Endpoint& wanted, net::AcceptHandler* handler, Endpoint* bound) {
  HR_CHECK(handler != nullptr && bound != nullptr);
  *bound = wanted;
  if (wanted.port == 0) bound->port = network_.next_port_++;
  listeners_.push_back({*bound, handler});
  return 0;
}

void SimIo::attach(SocketId id, net::SocketHandler* handler) {
  HR_CHECK(handler != nullptr);
  if (Socket* socket = find(id)) socket->handler = handler;
}

void SimIo::receive_some(SocketId id) {
  Socket* socket = find(id);
  if (socket == nullptr) return;
  HR_CHECK(socket->handler != nullptr && socket->receive == Receive::none);
  socket->receive = Receive::some;
}

void SimIo::receive_into(SocketId id, std::span<std::byte> target) {
  Socket* socket = find(id);
  if (socket == nullptr) return;
  HR_CHECK(socket->handler != nullptr && socket->receive == Receive::none && !target.empty());
  socket->receive = Receive::into;
  socket->target = target;
}

void SimIo::send(SocketId id, std::span<const iovec> parts) {
  Socket* socket = find(id);
  if (socket == nullptr) return;
  HR_CHECK(socket->handler != nullptr && !socket->sending);
  HR_CHECK(!parts.empty() && parts.size() <= net::kMaxSendParts);
  socket->sending = true;
  socket->parts = parts;
  socket->part = 0;
  socket->offset = 0;
}

void SimIo::finish_sending(SocketId id) {
  Socket* socket = find(id);
  if (socket == nullptr) return;
  HR_CHECK(!socket->sending);
  network_.end(socket->link->to_client);
}

void SimIo::close(SocketId id) {
  Socket* socket = find(id);
  if (socket == nullptr) return;
  socket->closes_us = now().mono_us + network_.prng_.between(0, network_.options_.most_delay_us);
}

// ---- Io: what is due, and running it

// INT64_MAX: nothing known that would complete it.
int64_t SimIo::event_us(const Socket& socket, Op op) const {
  if (!socket.used) return INT64_MAX;
  const bool closing = socket.closes_us != INT64_MAX;
  if (op == Op::close) return socket.closes_us;
  const SimLink& link = *socket.link;
  if (op == Op::receive && socket.receive != Receive::none && !closing) {
    return std::min(link.to_server.next_us(), link.reset_us);
  }
  if (op == Op::send && socket.sending && !closing) {
    const bool room = link.to_client.size() < network_.options_.socket_buffer;
    return room ? 0 : link.reset_us;
  }
  return INT64_MAX;
}

void SimIo::wait(int64_t until_mono_us) {
  sleeps_until_us_ = woken_.exchange(false) ? 0 : until_mono_us;
}

int64_t SimIo::next_event_us() const {
  if (woken_) return network_.now().mono_us;
  int64_t earliest = sleeps_until_us_;
  for (const Arrival& arrival : arrivals_) earliest = std::min(earliest, arrival.arrives_us);
  for (const Socket& socket : sockets_) {
    for (const Op op : {Op::receive, Op::send, Op::close}) {
      earliest = std::min(earliest, event_us(socket, op));
    }
  }
  return std::max(earliest, network_.now().mono_us);
}

void SimIo::poll() {
  sleeps_until_us_ = 0;  // awake until the next wait()
  const int64_t now_us = now().mono_us;
  std::vector<Event> due;
  for (const Arrival& arrival : arrivals_) {
    if (arrival.arrives_us <= now_us) due.push_back({Op::accept, 0, 0});
  }
  for (uint32_t slot = 0; slot < sockets_.size(); ++slot) {
    for (const Op op : {Op::receive, Op::send, Op::close}) {
      if (event_us(sockets_[slot], op) <= now_us) {
        due.push_back({op, slot, sockets_[slot].generation});
      }
    }
  }
  network_.prng_.shuffle(due);
  for (const Event& event : due) run(event);
}

void SimIo::run(const Event& event) {
  if (event.op == Op::accept) return accept_one();
  Socket& socket = sockets_[event.slot];
  if (!socket.used || socket.generation != event.generation) return;
  if (event_us(socket, event.op) > now().mono_us) return;  // a callback before this one closed it
  if (event.op == Op::receive) run_receive(socket);
  if (event.op == Op::send) run_send(socket);
  if (event.op == Op::close) run_close(event.slot);
}

void SimIo::accept_one() {
  const auto due = std::find_if(arrivals_.begin(), arrivals_.end(), [&](const Arrival& arrival) {
    return arrival.arrives_us <= now().mono_us;
  });
  if (due == arrivals_.end()) return;
  const Arrival arrival = std::move(*due);
  arrivals_.erase(due);
  const Listener* listener = find_listener(arrival.listener);
  if (listener == nullptr || open_sockets() >= options_.max_sockets) {
    if (listener != nullptr) metrics::add(metrics::Counter::connections_refused);
    return abandon(*arrival.link);
  }
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(sockets_.size()));
    sockets_.emplace_back();
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  sockets_[slot].used = true;
  sockets_[slot].link = arrival.link;
  listener->handler->on_accepted({slot, sockets_[slot].generation}, arrival.peer);
}

void SimIo::run_receive(Socket& socket) {
  SimLink& link = *socket.link;
  const Receive kind = std::exchange(socket.receive, Receive::none);
  if (link.reset_us <= now().mono_us) return socket.handler->on_failed(ECONNRESET);
  const size_t room = kind == Receive::into ? socket.target.size() : net::kSmallReceive;
  const size_t most = network_.prng_.chance(0.5) ? room : 1 + network_.prng_.below(room);
  const std::string bytes = link.to_server.read(most, now().mono_us);
  if (kind == Receive::into) {
    std::memcpy(socket.target.data(), bytes.data(), bytes.size());
    return socket.handler->on_received(socket.target.first(bytes.size()));
  }
  // A block of exactly this size, gone after the call: the address sanitizer sees who keeps it.
  const std::vector<char> buffer(bytes.begin(), bytes.end());
  socket.handler->on_received(std::as_bytes(std::span(buffer)));
}

void SimIo::run_send(Socket& socket) {
  SimLink& link = *socket.link;
  if (link.client_closed) network_.reset(link);  // written to a closed peer
  if (link.reset_us <= now().mono_us) {
    socket.sending = false;
    return socket.handler->on_failed(ECONNRESET);
  }
  while (socket.part < socket.parts.size()) {
    const iovec& part = socket.parts[socket.part];
    const std::string_view bytes(static_cast<const char*>(part.iov_base), part.iov_len);
    socket.offset += network_.write(link, link.to_client, bytes.substr(socket.offset));
    if (socket.offset < part.iov_len) return;  // the socket buffer is full
    ++socket.part;
    socket.offset = 0;
  }
  socket.sending = false;
  socket.handler->on_sent();
}

void SimIo::run_close(uint32_t slot) {
  Socket& socket = sockets_[slot];
  // Until now the kernel could still have written here.
  if (socket.receive == Receive::into) std::memset(socket.target.data(), 0xee, 1);
  if (socket.link->to_server.size() > 0) network_.reset(*socket.link);  // closed with unread input
  socket.link->server_closed = true;
  network_.end(socket.link->to_client);
  net::SocketHandler* handler = socket.handler;
  const uint32_t next_generation = socket.generation + 1;
  socket = Socket{};
  socket.generation = next_generation;
  free_slots_.push_back(slot);
  if (handler != nullptr) handler->on_closed();
}

}  // namespace headrace::test
