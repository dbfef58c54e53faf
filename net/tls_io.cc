#include "net/tls_io.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "metrics/check.h"
#include "metrics/counters.h"
#include "net/tls/failure_log.h"
#include "net/tls/session.h"

namespace headrace::net {
namespace {

constexpr size_t kSendAtOnce = 128 * 1024;      // ciphertext on its way
constexpr size_t kMaxOwnOutput = 64 * 1024;     // that the protocol itself wants to send
constexpr size_t kMaxRefusedInput = 64 * 1024;  // dropped after a failed handshake
constexpr size_t kHandshakesPerPoll = 4;
constexpr size_t kKeptSending = 1024;  // capacity an idle connection keeps

class TlsIo;

// One connection: the handler of the socket below, and the socket that the owner above sees.
class TlsSocket final : public SocketHandler {
 public:
  TlsSocket(TlsIo* io, SocketId id, const Endpoint& peer, AcceptHandler* accepts);

  // From below.
  void on_received(std::span<const std::byte> bytes) override;
  void on_sent() override;
  void on_failed(int error) override;
  void on_closed() override;

  // From above.
  void attach(SocketHandler* handler) { handler_ = handler; }
  void receive(std::span<std::byte> target);
  void send(std::span<const iovec> parts);
  void finish_sending();
  void close();

  // From the Io's poll.
  void begin() { arm(); }
  void step_handshake();
  void pump();  // plaintext to the owner above, and what the protocol wants to send
  void expire();

  SocketId id() const { return id_; }
  bool closing() const { return closing_; }
  bool established() const { return state_ == State::open; }
  int64_t handshake_ends_us() const { return handshake_ends_us_; }
  std::string peer_subject() const { return tls_.peer_subject(); }

 private:
  // refusing: the handshake failed; the alert leaves, then what the peer still sends is dropped.
  enum class State : uint8_t { handshake, refusing, open };

  void arm();
  void drop(size_t size);
  void refuse(std::string_view why);
  void fail(int error);
  void encrypt_some();
  std::span<const std::byte> next_piece();
  void push_out();

  TlsIo& io_;
  const SocketId id_;
  const Endpoint peer_;
  AcceptHandler* const accepts_;
  const int64_t handshake_ends_us_;
  TlsSession tls_;
  SocketHandler* handler_ = nullptr;
  State state_ = State::handshake;
  bool closing_ = false;
  bool receiving_ = false;   // outstanding below
  bool input_over_ = false;  // the end of the stream below has come
  bool pumping_ = false;
  bool finishing_ = false;  // nothing more is sent once output is empty
  bool finished_ = false;
  bool failed_ = false;  // told above
  size_t dropped_bytes_ = 0;

  bool wanted_ = false;          // a receive is outstanding above
  std::span<std::byte> target_;  // of it; empty: some

  bool has_send_ = false;  // outstanding above: parts_ from part_, offset_ on are not encrypted
  std::span<const iovec> parts_;
  size_t part_ = 0;
  size_t offset_ = 0;
  std::vector<std::byte> sending_;  // outstanding below unless empty
  iovec sending_part_ = {};
};

class TlsListener final : public AcceptHandler {
 public:
  TlsListener(TlsIo* io, AcceptHandler* above) : io_(*io), above_(above) {}
  void on_accepted(SocketId socket, const Endpoint& peer) override;

 private:
  TlsIo& io_;
  AcceptHandler* const above_;
};

class TlsIo final : public Io {
 public:
  TlsIo(Io* inner, const TlsServerContext* context, const TlsIoOptions& options)
      : inner_(*inner), context_(*context), options_(options) {}

  Time now() override { return inner_.now(); }
  int listen(const Endpoint& wanted, AcceptHandler* handler, Endpoint* bound) override;
  void stop_accepting() override;
  void attach(SocketId socket, SocketHandler* handler) override;
  void receive_some(SocketId socket) override { receive_into(socket, {}); }
  void receive_into(SocketId socket, std::span<std::byte> target) override;
  void send(SocketId socket, std::span<const iovec> parts) override;
  void finish_sending(SocketId socket) override;
  void close(SocketId socket) override;
  std::string peer_subject(SocketId socket) override;
  void poll() override;
  void wait(int64_t until_mono_us) override;
  void wake() noexcept override { inner_.wake(); }

  // For TlsSocket and TlsListener.
  Io& inner() { return inner_; }
  const TlsServerContext& context() const { return context_; }
  const TlsIoOptions& options() const { return options_; }
  TlsFailureLog& failures() { return failures_; }
  std::span<std::byte> plaintext() { return plaintext_; }
  std::span<std::byte> gathered() { return gathered_; }
  void accept(SocketId id, const Endpoint& peer, AcceptHandler* above);
  void step_later(SocketId id) { handshakes_.push_back(id); }
  void pump_later(SocketId id) { ready_.push_back(id); }
  void handshake_over() { --under_way_; }
  void remove(SocketId id) { sockets_[id.slot].reset(); }

 private:
  TlsSocket* find(SocketId id);  // nullptr: the id is stale, or the socket is being closed
  void expire_handshakes();

  Io& inner_;
  const TlsServerContext& context_;
  const TlsIoOptions options_;
  TlsFailureLog failures_;
  std::vector<std::unique_ptr<TlsListener>> listeners_;
  std::vector<std::unique_ptr<TlsSocket>> sockets_;  // by slot
  std::deque<SocketId> handshaking_;                 // in the order in which their time ends;
  size_t under_way_ = 0;                             // some are done, so many are not
  std::deque<SocketId> handshakes_;                  // have received something
  std::vector<SocketId> ready_;                      // have something for the owner above
  std::array<std::byte, kSmallReceive> plaintext_;   // a received piece, during the callback
  std::array<std::byte, kTlsRecord> gathered_;       // small parts of a send, to make one record
};

// ---- a connection: its handshake

TlsSocket::TlsSocket(TlsIo* io, SocketId id, const Endpoint& peer, AcceptHandler* accepts)
    : io_(*io),
      id_(id),
      peer_(peer),
      accepts_(accepts),
      handshake_ends_us_(io->now().mono_us + io->options().handshake_us),
      tls_(io->context().current()) {}

void TlsSocket::arm() {
  if (closing_ || receiving_ || input_over_) return;
  receiving_ = true;
  io_.inner().receive_some(id_);
}

void TlsSocket::on_received(std::span<const std::byte> bytes) {
  receiving_ = false;
  if (bytes.empty()) input_over_ = true;
  if (state_ == State::refusing) return drop(bytes.size());
  tls_.receive(bytes);
  if (state_ == State::open) return pump();
  io_.step_later(id_);
}

void TlsSocket::step_handshake() {
  if (state_ != State::handshake) return;
  const TlsStatus status = tls_.handshake();
  if (status == TlsStatus::failed) return refuse(tls_.error());
  if (status == TlsStatus::need_more && input_over_) {
    return refuse("the peer closed the connection before the handshake was done");
  }
  push_out();
  if (status == TlsStatus::need_more) return arm();
  state_ = State::open;
  io_.handshake_over();
  accepts_->on_accepted(id_, peer_);
}

void TlsSocket::refuse(std::string_view why) {
  io_.failures().note(peer_.to_string(), why, io_.now().mono_us);
  state_ = State::refusing;
  finishing_ = true;
  push_out();
  drop(0);
}

void TlsSocket::drop(size_t size) {
  dropped_bytes_ += size;
  if (input_over_ || dropped_bytes_ > kMaxRefusedInput) return close();
  arm();
}

void TlsSocket::expire() {
  if (state_ == State::handshake) {
    metrics::add(metrics::Counter::connections_timed_out);
    io_.failures().note(peer_.to_string(), "no handshake within the handshake time",
                        io_.now().mono_us);
  }
  if (state_ != State::open) close();
}

// ---- receiving

void TlsSocket::receive(std::span<std::byte> target) {
  HR_CHECK(!wanted_);
  wanted_ = true;
  target_ = target;
  if (pumping_) return;  // goes on by itself
  if (tls_.readable() || input_over_) return io_.pump_later(id_);
  arm();
}

void TlsSocket::pump() {
  if (state_ != State::open || closing_) return;
  pumping_ = true;
  while (wanted_ && !closing_) {
    const std::span<std::byte> target = target_.empty() ? io_.plaintext() : target_;
    size_t size = 0;
    const TlsStatus status = tls_.read(target, &size);
    if (status == TlsStatus::need_more && !input_over_) break;
    wanted_ = false;
    if (status == TlsStatus::failed) {
      fail(EPROTO);
    } else if (status == TlsStatus::need_more) {
      fail(ECONNRESET);  // cut off: who ends says so
    } else {
      handler_->on_received(target.first(size));
    }
  }
  pumping_ = false;
  if (closing_) return;
  if (!tls_.error().empty()) return fail(EPROTO);  // of a send, perhaps
  if (tls_.output().size() > kMaxOwnOutput) return fail(ENOBUFS);
  push_out();
  if (wanted_) arm();
}

void TlsSocket::fail(int error) {
  if (std::exchange(failed_, true)) return;
  if (!tls_.error().empty()) {
    log::debug("TLS failed", {{"peer", peer_.to_string()}, {"why", tls_.error()}});
  }
  if (handler_ == nullptr) return close();
  handler_->on_failed(error);
}

// ---- sending

void TlsSocket::send(std::span<const iovec> parts) {
  HR_CHECK(!has_send_ && !finishing_);
  has_send_ = true;
  parts_ = parts;
  part_ = 0;
  offset_ = 0;
  size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  if (size > kTlsRecord) tls_.output().reserve(kSendAtOnce + 2 * kTlsRecord);
  push_out();
}

void TlsSocket::finish_sending() {
  HR_CHECK(!has_send_);
  if (std::exchange(finishing_, true)) return;
  tls_.finish();
  push_out();
}

// Up to a record of what is left of the send: a long part as it is, short ones together.
std::span<const std::byte> TlsSocket::next_piece() {
  const std::span<std::byte> gathered = io_.gathered();
  size_t filled = 0;
  while (part_ < parts_.size() && filled < gathered.size()) {
    const iovec& part = parts_[part_];
    const auto* at = static_cast<const std::byte*>(part.iov_base) + offset_;
    const size_t left = part.iov_len - offset_;
    const size_t size = std::min(left, gathered.size() - filled);
    const bool alone = filled == 0 && (size == kTlsRecord || part_ + 1 == parts_.size());
    if (!alone) std::memcpy(gathered.data() + filled, at, size);
    offset_ += size;
    if (offset_ == part.iov_len) {
      ++part_;
      offset_ = 0;
    }
    if (alone) return {at, size};
    filled += size;
  }
  return gathered.first(filled);
}

void TlsSocket::encrypt_some() {
  while (part_ < parts_.size() && tls_.output().size() < kSendAtOnce) {
    if (!tls_.write(next_piece())) return io_.pump_later(id_);
  }
}

void TlsSocket::push_out() {
  if (closing_ || finished_ || !sending_.empty()) return;
  if (has_send_) encrypt_some();
  if (!tls_.output().empty()) {
    std::swap(sending_, tls_.output());
    sending_part_ = {sending_.data(), sending_.size()};
    return io_.inner().send(id_, {&sending_part_, 1});
  }
  if (!finishing_) return;
  finished_ = true;
  io_.inner().finish_sending(id_);
}

void TlsSocket::on_sent() {
  sending_.clear();
  if (has_send_ && part_ == parts_.size()) {
    has_send_ = false;
    handler_->on_sent();
  }
  push_out();
  if (!sending_.empty() || sending_.capacity() <= kKeptSending) return;
  sending_ = {};
  tls_.output() = {};
}

// ---- ending

void TlsSocket::close() {
  if (std::exchange(closing_, true)) return;
  io_.inner().close(id_);
}

void TlsSocket::on_failed(int error) {
  if (state_ == State::open && handler_ != nullptr) return handler_->on_failed(error);
  close();
}

void TlsSocket::on_closed() {
  SocketHandler* handler = handler_;
  if (state_ != State::open) io_.handshake_over();
  io_.remove(id_);  // destroys this
  if (handler != nullptr) handler->on_closed();
}

// ---- the Io

void TlsListener::on_accepted(SocketId socket, const Endpoint& peer) {
  io_.accept(socket, peer, above_);
}

int TlsIo::listen(const Endpoint& wanted, AcceptHandler* handler, Endpoint* bound) {
  HR_CHECK(handler != nullptr);
  listeners_.push_back(std::make_unique<TlsListener>(this, handler));
  return inner_.listen(wanted, listeners_.back().get(), bound);
}

void TlsIo::stop_accepting() {
  inner_.stop_accepting();
  for (const SocketId id : handshaking_) {
    TlsSocket* socket = find(id);
    if (socket != nullptr && !socket->established()) socket->close();
  }
}

void TlsIo::accept(SocketId id, const Endpoint& peer, AcceptHandler* above) {
  if (under_way_ >= options_.max_handshakes) {
    metrics::add(metrics::Counter::connections_refused);
    return inner_.close(id);
  }
  if (id.slot >= sockets_.size()) sockets_.resize(id.slot + 1);
  sockets_[id.slot] = std::make_unique<TlsSocket>(this, id, peer, above);
  inner_.attach(id, sockets_[id.slot].get());
  handshaking_.push_back(id);
  ++under_way_;
  sockets_[id.slot]->begin();
}

TlsSocket* TlsIo::find(SocketId id) {
  if (id.slot >= sockets_.size()) return nullptr;
  TlsSocket* socket = sockets_[id.slot].get();
  return socket != nullptr && socket->id() == id && !socket->closing() ? socket : nullptr;
}

void TlsIo::attach(SocketId id, SocketHandler* handler) {
  TlsSocket* socket = find(id);
  HR_CHECK(socket != nullptr);
  socket->attach(handler);
}

void TlsIo::receive_into(SocketId id, std::span<std::byte> target) {
  if (TlsSocket* socket = find(id)) socket->receive(target);
}

void TlsIo::send(SocketId id, std::span<const iovec> parts) {
  if (TlsSocket* socket = find(id)) socket->send(parts);
}

void TlsIo::finish_sending(SocketId id) {
  if (TlsSocket* socket = find(id)) socket->finish_sending();
}

void TlsIo::close(SocketId id) {
  if (TlsSocket* socket = find(id)) socket->close();
}

std::string TlsIo::peer_subject(SocketId id) {
  TlsSocket* socket = find(id);
  return socket == nullptr ? std::string() : socket->peer_subject();
}

void TlsIo::poll() {
  inner_.poll();
  for (size_t n = std::min(handshakes_.size(), kHandshakesPerPoll); n > 0; --n) {
    const SocketId id = handshakes_.front();
    handshakes_.pop_front();
    if (TlsSocket* socket = find(id)) socket->step_handshake();
  }
  const std::vector<SocketId> ready = std::exchange(ready_, {});
  for (const SocketId id : ready) {
    if (TlsSocket* socket = find(id)) socket->pump();
  }
  expire_handshakes();
}

void TlsIo::expire_handshakes() {
  const int64_t now_us = inner_.now().mono_us;
  while (!handshaking_.empty()) {
    TlsSocket* socket = find(handshaking_.front());
    const bool over = socket == nullptr || socket->established();
    if (!over && socket->handshake_ends_us() > now_us) return;
    if (!over) socket->expire();
    handshaking_.pop_front();
  }
}

void TlsIo::wait(int64_t until_mono_us) {
  if (!ready_.empty() || !handshakes_.empty()) return inner_.wait(0);
  if (!handshaking_.empty()) {
    const TlsSocket* first = find(handshaking_.front());
    if (first != nullptr) until_mono_us = std::min(until_mono_us, first->handshake_ends_us());
  }
  inner_.wait(until_mono_us);
}

}  // namespace

std::unique_ptr<Io> make_tls_io(Io* inner, const TlsServerContext* context,
                                const TlsIoOptions& options) {
  HR_CHECK(context->current() != nullptr);
  return std::make_unique<TlsIo>(inner, context, options);
}

}  // namespace headrace::net
