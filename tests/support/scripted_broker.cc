#include "tests/support/scripted_broker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "metrics/check.h"

namespace headrace::test {
namespace {

using net::native::FrameHeader;
using net::native::MessageType;

bool receive_all(int fd, std::byte* into, size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(fd, into, size, 0);
    if (got <= 0) return false;
    into += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool send_all(int fd, const SharedBytes& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t sent = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    done += static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace

ScriptedBroker::Answer ScriptedBroker::stored(int64_t offset) {
  Answer answer;
  answer.ok.emplace();
  answer.ok->set_base_offset(offset);
  answer.ok->set_durability(proto::DURABLE);
  return answer;
}

ScriptedBroker::Answer ScriptedBroker::refused(uint32_t code, bool retryable) {
  Answer answer;
  answer.error.set_code(code);
  answer.error.set_message("as the test wants it");
  answer.error.set_retryable(retryable);
  answer.error.set_retry_after_ms(retryable ? 1 : 0);
  return answer;
}

ScriptedBroker::Answer ScriptedBroker::hang_up() {
  Answer answer;
  answer.hangs_up = true;
  return answer;
}

ScriptedBroker::ScriptedBroker(uint32_t partitions, AnswerFunction answer)
    : partitions_(partitions), answer_(std::move(answer)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HR_CHECK(listener_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  HR_CHECK(::bind(listener_, name, size) == 0 && ::listen(listener_, 8) == 0);
  HR_CHECK(::getsockname(listener_, name, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

ScriptedBroker::~ScriptedBroker() {
  stopped_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  const int fd = connection_.load();
  if (fd >= 0) ::shutdown(fd, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void ScriptedBroker::run() {
  while (!stopped_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    connection_ = fd;
    if (!stopped_) serve(fd);
    connection_ = -1;
    ::close(fd);
  }
}

void ScriptedBroker::serve(int fd) {
  while (true) {
    std::array<std::byte, net::native::kFrameHeaderSize> start;
    if (!receive_all(fd, start.data(), start.size())) return;
    FrameHeader header;
    HR_CHECK(net::native::read_frame_header(start, &header) == net::native::FrameError::ok);
    SharedBytes rest = SharedBytes::allocate(header.message_size + header.payload_size);
    if (!receive_all(fd, rest.mutable_data(), rest.size())) return;
    if (!answer_one(fd, header, rest)) return;
  }
}

bool ScriptedBroker::answer_one(int fd, const FrameHeader& header, const SharedBytes& bytes) {
  const auto type = static_cast<MessageType>(header.type);
  const auto send = [&](const auto& message, uint8_t flags = 0) {
    return send_all(fd, net::native::encode_frame(type, flags, header.request_id, message, 0));
  };
  if (type == MessageType::hello) return send(proto::HelloOk());
  if (type == MessageType::ping) return send(proto::Pong());
  if (type == MessageType::metadata) {
    proto::MetadataOk found;
    auto* topic = found.add_topics();
    topic->set_name("orders");
    topic->set_id(1);
    topic->set_partitions(partitions_);
    return send(found);
  }
  if (type == MessageType::init_producer) {
    proto::InitProducerOk given;
    given.set_producer_id(7);
    return send(given);
  }
  HR_CHECK(type == MessageType::publish_batch);
  storage::BatchHeader batch;
  const auto payload = bytes.span().subspan(header.message_size);
  HR_CHECK(storage::check_header(payload, &batch) == storage::BatchError::ok);
  const Answer answer = answer_(batch);
  if (answer.hangs_up) return false;
  return answer.ok ? send(*answer.ok) : send(answer.error, net::native::kFlagError);
}

}  // namespace headrace::test
