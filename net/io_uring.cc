// UringIo: the Io seam over one io_uring. Linux 6.1 or newer; the only user of liburing.
//
// Receiving is single-shot: while a connection idles, the kernel picks a buffer of the ring's
// shared pool when bytes arrive (an idle connection costs no buffer); the rest of a long frame goes
// straight into its own memory. Not arming a receive is the back-pressure. When the pool is empty
// the receive comes back with ENOBUFS and waits in a queue until buffers are returned.
//
// Completions run inside our own enter calls only (DEFER_TASKRUN), so poll() and wait() are the two
// places where anything happens. user_data is (slot, generation, operation), never a pointer.
#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <deque>
#include <utility>
#include <vector>

#include "metrics/check.h"
#include "metrics/counters.h"
#include "metrics/log.h"
#include "net/io.h"
#include "net/listener.h"
#include "net/socket_table.h"
#include "net/uring_advice.h"
#include "net/wakeup.h"

namespace headrace::net {
namespace {

constexpr int kBufferGroup = 0;
constexpr int64_t kAcceptPause_us = 100'000;  // after running out of file descriptors
constexpr size_t kReapBatch = 256;
constexpr uint32_t kGenerationMask = 0xff'ffff;  // what user_data has room for

enum class Op : uint8_t { accept = 1, receive, send, cancel, wake };

uint64_t pack(Op op, uint32_t slot, uint32_t generation) {
  return uint64_t{slot} << 32 | uint64_t{generation & kGenerationMask} << 8 |
         static_cast<uint8_t>(op);
}

struct Listener {
  int fd = -1;
  AcceptHandler* handler = nullptr;
  bool armed = false;
  bool stopped = false;
  int64_t retry_at_us = 0;  // 0: not paused
};

class UringIo final : public Io {
 public:
  explicit UringIo(const UringOptions& options) : options_(options) {}
  ~UringIo() override;
  int open(std::string* step);  // 0 or an errno, and which step it was

  Time now() override;
  int listen(const Endpoint& wanted, AcceptHandler* handler, Endpoint* bound) override;
  void stop_accepting() override;
  void attach(SocketId socket, SocketHandler* handler) override;
  void receive_some(SocketId socket) override;
  void receive_into(SocketId socket, std::span<std::byte> target) override;
  void send(SocketId socket, std::span<const iovec> parts) override;
  void finish_sending(SocketId socket) override;
  void close(SocketId socket) override;
  void poll() override;
  void wait(int64_t until_mono_us) override;
  void wake() noexcept override { wakeup_.wake(); }

 private:
  struct Completion {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
  };

  int open_buffers();
  bool kernel_has_news() const;
  void enter();
  io_uring_sqe* next_entry();
  void submit(Op op, uint32_t slot);
  void prepare(io_uring_sqe* entry, Op op, uint32_t slot);

  void handle(const Completion& completion);
  void on_accept(uint32_t index, const Completion& completion);
  void add_socket(int fd, AcceptHandler* handler);
  void on_receive(uint32_t slot, const Completion& completion);
  void on_send(uint32_t slot, int32_t result);
  void finish(uint32_t slot);
  void finish_closed();
  void rearm_parked();
  void rearm_listeners();
  int64_t accept_retry_us() const;

  std::byte* buffer(uint32_t id) { return buffers_ + size_t{id} * kSmallReceive; }
  void return_buffer(uint32_t id);

  const UringOptions options_;
  io_uring ring_ = {};
  bool ring_open_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::byte* buffers_ = nullptr;
  uint32_t buffer_count_ = 0;  // a power of two

  SocketTable sockets_;
  std::vector<Listener> listeners_;
  std::deque<SocketId> parked_;                  // receives that found the pool empty, oldest first
  std::vector<uint32_t> closed_;                 // slots whose operations have all come back
  std::deque<std::pair<Op, uint32_t>> backlog_;  // the submission ring was full

  Wakeup wakeup_;
  uint64_t wakeup_value_ = 0;
};

// ---- making and ending

int UringIo::open(std::string* step) {
  io_uring_params params = {};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP;
  params.cq_entries = options_.entries * 8;
  *step = "io_uring_setup";
  if (const int result = io_uring_queue_init_params(options_.entries, &ring_, &params);
      result < 0) {
    return -result;
  }
  ring_open_ = true;

  *step = "the probe of io_uring's operations";
  io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
  if (probe == nullptr) return EPERM;
  bool supported = true;
  for (const int op : {IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SENDMSG, IORING_OP_ASYNC_CANCEL,
                       IORING_OP_READ}) {
    supported = supported && io_uring_opcode_supported(probe, op) != 0;
  }
  io_uring_free_probe(probe);
  if (!supported) return EOPNOTSUPP;

  *step = "registering io_uring's receive buffers";
  if (const int error = open_buffers(); error != 0) return error;

  *step = "eventfd";
  if (const int error = wakeup_.open(); error != 0) return error;
  submit(Op::wake, 0);
  return 0;
}

int UringIo::open_buffers() {
  HR_CHECK(options_.small_buffers > 0 && options_.small_buffers <= 1u << 15);
  buffer_count_ = std::bit_ceil(options_.small_buffers);
  const size_t ring_bytes = buffer_count_ * sizeof(io_uring_buf);
  void* memory = ::mmap(nullptr, ring_bytes + buffer_count_ * kSmallReceive, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  buffers_ = static_cast<std::byte*>(memory) + ring_bytes;

  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
  registration.ring_entries = buffer_count_;
  registration.bgid = kBufferGroup;
  if (const int result = io_uring_register_buf_ring(&ring_, &registration, 0); result < 0) {
    return -result;
  }
  io_uring_buf_ring_init(buffer_ring_);
  for (uint32_t id = 0; id < buffer_count_; ++id) return_buffer(id);
  return 0;
}

UringIo::~UringIo() {
  for (const Socket& socket : sockets_.all()) {
    if (socket.used) ::close(socket.fd);
  }
  for (const Listener& listener : listeners_) {
    if (listener.fd >= 0) ::close(listener.fd);
  }
  if (ring_open_) io_uring_queue_exit(&ring_);
  if (buffer_ring_ != nullptr) {
    ::munmap(buffer_ring_, buffer_count_ * (sizeof(io_uring_buf) + kSmallReceive));
  }
}

Time UringIo::now() {
  timespec mono;
  timespec wall;
  ::clock_gettime(CLOCK_MONOTONIC, &mono);
  ::clock_gettime(CLOCK_REALTIME, &wall);
  return {mono.tv_sec * kMicrosPerSecond + mono.tv_nsec / 1000,
          wall.tv_sec * kMicrosPerSecond + wall.tv_nsec / 1000};
}

// ---- operations

void UringIo::attach(SocketId id, SocketHandler* handler) {
  HR_CHECK(handler != nullptr);
  if (Socket* socket = sockets_.find(id)) socket->handler = handler;
}

void UringIo::receive_some(SocketId id) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  HR_CHECK(socket->handler != nullptr && socket->receive == Socket::Receive::none);
  socket->receive = Socket::Receive::some;
  submit(Op::receive, id.slot);
}

void UringIo::receive_into(SocketId id, std::span<std::byte> target) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  HR_CHECK(socket->handler != nullptr && socket->receive == Socket::Receive::none);
  HR_CHECK(!target.empty());
  socket->receive = Socket::Receive::into;
  socket->target = target;
  submit(Op::receive, id.slot);
}

void UringIo::send(SocketId id, std::span<const iovec> parts) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  HR_CHECK(socket->handler != nullptr && !socket->sending);
  HR_CHECK(!parts.empty() && parts.size() <= kMaxSendParts);
  socket->sending = true;
  socket->begin_send(parts);
  submit(Op::send, id.slot);
}

void UringIo::finish_sending(SocketId id) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  HR_CHECK(!socket->sending);
  ::shutdown(socket->fd, SHUT_WR);  // an error means the peer is gone: the next receive tells
}

void UringIo::close(SocketId id) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  socket->closing = true;
  if (socket->in_kernel == 0) return finish(id.slot);
  ::shutdown(socket->fd, SHUT_RDWR);
  submit(Op::cancel, id.slot);
}

int UringIo::listen(const Endpoint& wanted, AcceptHandler* handler, Endpoint* bound) {
  HR_CHECK(handler != nullptr && bound != nullptr);
  Listener listener;
  if (const int error = open_listener(wanted, &listener.fd, bound); error != 0) return error;
  listener.handler = handler;
  listeners_.push_back(listener);
  submit(Op::accept, static_cast<uint32_t>(listeners_.size() - 1));
  return 0;
}

void UringIo::stop_accepting() {
  for (Listener& listener : listeners_) {
    if (std::exchange(listener.stopped, true)) continue;
    listener.retry_at_us = 0;
    if (listener.armed) {
      ::shutdown(listener.fd, SHUT_RDWR);  // ends the accept; its completion closes the socket
    } else {
      ::close(std::exchange(listener.fd, -1));
    }
  }
}

// ---- the submission side

io_uring_sqe* UringIo::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry != nullptr) return entry;
  io_uring_submit(&ring_);  // makes room; runs no completion
  return io_uring_get_sqe(&ring_);
}

void UringIo::submit(Op op, uint32_t slot) {
  if (op == Op::accept) {
    listeners_[slot].armed = true;
  } else if (op != Op::wake) {
    ++sockets_[slot].in_kernel;
  }
  io_uring_sqe* entry = backlog_.empty() ? next_entry() : nullptr;
  if (entry == nullptr) {
    backlog_.emplace_back(op, slot);
    return;
  }
  prepare(entry, op, slot);
}

void UringIo::prepare(io_uring_sqe* entry, Op op, uint32_t slot) {
  uint32_t generation = 0;
  switch (op) {
    case Op::accept:
      io_uring_prep_multishot_accept(entry, listeners_[slot].fd, nullptr, nullptr, SOCK_CLOEXEC);
      break;
    case Op::receive: {
      Socket& socket = sockets_[slot];
      generation = socket.generation;
      if (socket.receive == Socket::Receive::into) {
        io_uring_prep_recv(entry, socket.fd, socket.target.data(), socket.target.size(), 0);
      } else {
        io_uring_prep_recv(entry, socket.fd, nullptr, kSmallReceive, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = kBufferGroup;
      }
      break;
    }
    case Op::send: {
      Socket& socket = sockets_[slot];
      generation = socket.generation;
      io_uring_prep_sendmsg(entry, socket.fd, &socket.message, MSG_NOSIGNAL | MSG_WAITALL);
      break;
    }
    case Op::cancel:
      generation = sockets_[slot].generation;
      io_uring_prep_cancel_fd(entry, sockets_[slot].fd, IORING_ASYNC_CANCEL_ALL);
      break;
    case Op::wake:
      io_uring_prep_read(entry, wakeup_.fd(), &wakeup_value_, sizeof(wakeup_value_), 0);
      break;
  }
  entry->user_data = pack(op, slot, generation);
}

// Something to submit, or completions that wait for us to enter.
bool UringIo::kernel_has_news() const {
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  return io_uring_sq_ready(&ring_) > 0 ||
         (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void check_entered(int result) {
  // EBUSY, EAGAIN: the completion ring is full or memory is short; what was not submitted stays in
  // the ring for the next enter.
  const bool ok =
      result >= 0 || result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN;
  if (!ok) {
    log::fatal("io_uring_enter failed", {{"error", std::string_view(std::strerror(-result))}});
  }
  HR_CHECK(ok);
}

void UringIo::enter() {
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  if ((flags & IORING_SQ_CQ_OVERFLOW) != 0) metrics::add(metrics::Counter::uring_cq_overflows);
  check_entered(io_uring_submit_and_get_events(&ring_));
}

// ---- the completion side

void UringIo::poll() {
  for (size_t n = backlog_.size(); n > 0; --n) {
    io_uring_sqe* entry = next_entry();
    if (entry == nullptr) break;
    const auto [op, slot] = backlog_.front();
    backlog_.pop_front();
    prepare(entry, op, slot);
  }
  rearm_listeners();
  if (kernel_has_news()) enter();

  // What is there now; what the callbacks start belongs to the next poll.
  size_t left = io_uring_cq_ready(&ring_);
  while (left > 0) {
    std::array<io_uring_cqe*, kReapBatch> entries;
    std::array<Completion, kReapBatch> batch;
    const unsigned n = io_uring_peek_batch_cqe(&ring_, entries.data(),
                                               static_cast<unsigned>(std::min(left, kReapBatch)));
    if (n == 0) break;
    for (unsigned i = 0; i < n; ++i) {
      batch[i] = {entries[i]->user_data, entries[i]->res, entries[i]->flags};
    }
    io_uring_cq_advance(&ring_, n);  // frees the ring before callbacks submit more
    for (unsigned i = 0; i < n; ++i) handle(batch[i]);
    left -= n;
  }
  finish_closed();
  rearm_parked();
}

void UringIo::handle(const Completion& completion) {
  const auto op = static_cast<Op>(completion.user_data & 0xff);
  const auto slot = static_cast<uint32_t>(completion.user_data >> 32);
  if (op == Op::wake) {
    submit(Op::wake, 0);
    return;
  }
  if (op == Op::accept) return on_accept(slot, completion);

  Socket& socket = sockets_[slot];
  const auto generation = static_cast<uint32_t>(completion.user_data >> 8) & kGenerationMask;
  HR_CHECK(socket.used && (socket.generation & kGenerationMask) == generation);
  HR_CHECK(socket.in_kernel > 0);
  --socket.in_kernel;
  if (op == Op::receive) {
    on_receive(slot, completion);
  } else if (op == Op::send && !socket.closing) {
    on_send(slot, completion.result);
  }
  if (socket.closing && socket.in_kernel == 0) finish(slot);
}

void UringIo::on_receive(uint32_t slot, const Completion& completion) {
  Socket& socket = sockets_[slot];
  const bool has_buffer = (completion.flags & IORING_CQE_F_BUFFER) != 0;
  const uint32_t id = completion.flags >> IORING_CQE_BUFFER_SHIFT;
  const int32_t result = completion.result;
  if (!socket.closing) {
    const Socket::Receive kind = std::exchange(socket.receive, Socket::Receive::none);
    if (result == -ENOBUFS) {
      metrics::add(metrics::Counter::uring_buffer_shortages);
      socket.receive = kind;
      parked_.push_back({slot, socket.generation});
    } else if (result == -EINTR || result == -EAGAIN) {
      socket.receive = kind;
      submit(Op::receive, slot);
    } else if (result < 0) {
      socket.handler->on_failed(-result);
    } else {
      const std::byte* data = has_buffer ? buffer(id) : socket.target.data();
      socket.handler->on_received({data, static_cast<size_t>(result)});
    }
  }
  if (has_buffer) return_buffer(id);
}

void UringIo::on_send(uint32_t slot, int32_t result) {
  Socket& socket = sockets_[slot];
  if (result == -EINTR || result == -EAGAIN) return submit(Op::send, slot);
  if (result < 0) {
    socket.sending = false;
    return socket.handler->on_failed(-result);
  }
  if (!socket.advance_send(static_cast<size_t>(result))) return submit(Op::send, slot);
  socket.sending = false;
  socket.handler->on_sent();
}

// Every operation has come back; on_closed is told by the poll, never inside close().
void UringIo::finish(uint32_t slot) {
  if (!std::exchange(sockets_[slot].finished, true)) closed_.push_back(slot);
}

void UringIo::finish_closed() {
  const std::vector<uint32_t> slots = std::exchange(closed_, {});
  for (const uint32_t slot : slots) {
    Socket& socket = sockets_[slot];
    ::close(socket.fd);
    SocketHandler* handler = socket.handler;
    sockets_.remove(slot);
    if (handler != nullptr) handler->on_closed();
  }
}

void UringIo::return_buffer(uint32_t id) {
  io_uring_buf_ring_add(buffer_ring_, buffer(id), kSmallReceive, static_cast<uint16_t>(id),
                        io_uring_buf_ring_mask(buffer_count_), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

// Oldest first and no more than there are buffers, so that each gets its turn.
void UringIo::rearm_parked() {
  for (size_t n = std::min<size_t>(parked_.size(), buffer_count_); n > 0; --n) {
    const SocketId id = parked_.front();
    parked_.pop_front();
    if (sockets_.find(id) != nullptr) submit(Op::receive, id.slot);
  }
}

// ---- accepting

void UringIo::on_accept(uint32_t index, const Completion& completion) {
  Listener& listener = listeners_[index];
  listener.armed = (completion.flags & IORING_CQE_F_MORE) != 0;
  const int32_t result = completion.result;
  AcceptHandler* handler = listener.handler;
  if (listener.stopped) {
    if (result >= 0) ::close(result);
    if (!listener.armed) ::close(std::exchange(listener.fd, -1));
    return;
  }
  if (result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM) {
    listener.retry_at_us = now().mono_us + kAcceptPause_us;
    metrics::add(metrics::Counter::accept_pauses);
    log::warn("connections wait: accept failed; raise the limit of open files (ulimit -n)",
              {{"error", std::string_view(std::strerror(-result))}});
    return;
  }
  if (!listener.armed) submit(Op::accept, index);
  if (result >= 0) add_socket(result, handler);  // last: the handler may listen, moving `listener`
}

void UringIo::add_socket(int fd, AcceptHandler* handler) {
  if (sockets_.used() >= options_.max_sockets) {
    metrics::add(metrics::Counter::connections_refused);
    ::close(fd);
    return;
  }
  Endpoint peer;
  if (!prepare_accepted(fd, &peer)) {
    ::close(fd);  // gone already
    return;
  }
  handler->on_accepted(sockets_.add(fd), peer);
}

void UringIo::rearm_listeners() {
  const int64_t retry_at_us = accept_retry_us();
  if (retry_at_us == INT64_MAX || retry_at_us > now().mono_us) return;
  for (uint32_t index = 0; index < listeners_.size(); ++index) {
    Listener& listener = listeners_[index];
    if (listener.retry_at_us == 0 || listener.armed) continue;
    listener.retry_at_us = 0;
    submit(Op::accept, index);
  }
}

int64_t UringIo::accept_retry_us() const {
  int64_t earliest = INT64_MAX;
  for (const Listener& listener : listeners_) {
    if (listener.retry_at_us != 0) earliest = std::min(earliest, listener.retry_at_us);
  }
  return earliest;
}

// ---- sleeping

void UringIo::wait(int64_t until_mono_us) {
  const int64_t until_us = std::min(until_mono_us, accept_retry_us());
  const int64_t sleep_us = until_us - now().mono_us;
  const bool work_left = !closed_.empty() || !backlog_.empty() || io_uring_cq_ready(&ring_) > 0;

  if (work_left || sleep_us <= 0 || !wakeup_.may_sleep()) {
    if (kernel_has_news()) enter();
  } else {
    __kernel_timespec timeout = {sleep_us / kMicrosPerSecond, sleep_us % kMicrosPerSecond * 1000};
    io_uring_cqe* first = nullptr;
    check_entered(io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr));
  }
  wakeup_.awake();
}

}  // namespace

std::unique_ptr<Io> make_uring_io(const UringOptions& options, std::string* error) {
  if (!kernel_is_new_enough(error)) return nullptr;
  auto io = std::make_unique<UringIo>(options);
  std::string step;
  if (const int code = io->open(&step); code != 0) {
    *error = explain_uring_failure(code, step);
    return nullptr;
  }
  return io;
}

}  // namespace headrace::net
