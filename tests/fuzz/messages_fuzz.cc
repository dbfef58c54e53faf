// Every message of the native protocol from hostile bytes: what parses must survive writing and
// reading again, inside a frame. The first byte picks the message, the second request or reply.
#include <cstddef>
#include <cstdint>
#include <string>

#include "headrace.pb.h"
#include "metrics/check.h"
#include "net/native/frame.h"

namespace headrace::net::native {
namespace {

template <class Message>
void round_trip(MessageType type, uint8_t flags, const uint8_t* data, int size) {
  Message message;
  if (!message.ParseFromArray(data, size)) return;
  if (message.ByteSizeLong() > kMaxMessageSize) return;
  const SharedBytes bytes = encode_frame(type, flags, 1, message, 0);

  FrameHeader header;
  HR_CHECK(read_frame_header(bytes.span(), &header) == FrameError::ok);
  HR_CHECK(header.total_size() == bytes.size() && header.type == static_cast<uint16_t>(type));
  HR_CHECK(check_frame_crc(bytes.span(), header));

  Message again;
  HR_CHECK(
      again.ParseFromArray(bytes.data() + kFrameHeaderSize, static_cast<int>(header.message_size)));
  HR_CHECK(again.SerializeAsString() == message.SerializeAsString());
}

}  // namespace
}  // namespace headrace::net::native

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  using net::native::MessageType;
  if (size < 2 || size > net::native::kMaxMessageSize) return 0;
  const bool reply = (data[1] & 1) != 0;
  const bool error = (data[1] & 2) != 0;
  const uint8_t* body = data + 2;
  const int length = static_cast<int>(size - 2);
  if (error) {
    net::native::round_trip<proto::Error>(MessageType::hello, net::native::kFlagError, body,
                                          length);
    return 0;
  }
  switch (static_cast<MessageType>(data[0])) {
#define HR_MESSAGE(number, name, request_message, reply_message)                                 \
  case MessageType::name:                                                                        \
    reply ? net::native::round_trip<proto::reply_message>(MessageType::name, 0, body, length)    \
          : net::native::round_trip<proto::request_message>(MessageType::name, 0, body, length); \
    break;
#include "net/native/messages.def"
#undef HR_MESSAGE
  }
  return 0;
}
