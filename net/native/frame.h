// The frame of the native protocol: fixed header | Protobuf message | raw payload; see
// docs/protocol.md. All integers big-endian.
//   0  u16  magic 0x4852 "HR"
//   2  u8   version = 1
//   3  u8   flags: bit 0 = this is an Error reply
//   4  u16  message type (net/native/messages.def); a reply has the type of its request
//   6  u16  reserved, zero
//   8  u32  request id: chosen by the client, echoed in the reply; 0 for pushed deliveries
//  12  u32  size of the Protobuf message
//  16  u32  size of the payload
//  20  u32  CRC32C of bytes 0..19 and the Protobuf message (the payload carries its own CRCs)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "metrics/shared_bytes.h"

namespace headrace::net::native {

constexpr uint16_t kFrameMagic = 0x4852;
constexpr uint8_t kFrameVersion = 1;
constexpr uint8_t kFlagError = 1;
constexpr size_t kFrameHeaderSize = 24;
constexpr uint32_t kMaxMessageSize = 1u << 20;   // Protobuf part
constexpr uint32_t kMaxPayloadSize = 16u << 20;  // batches, values

// Numbers are the wire's: never change one.
enum class MessageType : uint16_t {
#define HR_MESSAGE(number, name, request, reply) name = number,
#include "net/native/messages.def"
#undef HR_MESSAGE
};
bool is_known(uint16_t type);
std::string_view to_string(MessageType type);

struct FrameHeader {
  uint8_t flags = 0;
  uint16_t type = 0;
  uint32_t request_id = 0;
  uint32_t message_size = 0;
  uint32_t payload_size = 0;
  uint32_t crc = 0;

  size_t total_size() const { return kFrameHeaderSize + message_size + payload_size; }
};

enum class FrameError : uint8_t {
  ok,
  need_more,
  not_headrace,
  looks_like_http,
  looks_like_http_reply,
  looks_like_tls,
  bad_version,
  bad_reserved,
  message_too_large,
  payload_too_large,
  bad_crc,
};
// One sentence for the log and for the farewell error frame: what it is and what to do.
std::string_view to_string(FrameError error);

// Decodes and checks all but the CRC, as early as the bytes allow: the first two already decide
// whether this is the protocol at all. need_more until kFrameHeaderSize bytes are there.
FrameError read_frame_header(std::span<const std::byte> bytes, FrameHeader* header);

// CRC over header and message; `frame` holds at least header and message.
bool check_frame_crc(std::span<const std::byte> frame, const FrameHeader& header);

// A received frame. `message` and `payload` share the frame's block.
struct Frame {
  FrameHeader header;
  SharedBytes message;
  SharedBytes payload;
};

// Header and message of an outgoing frame in one block; the payload follows it on the wire.
// Message is any protobuf MessageLite.
template <class Message>
SharedBytes encode_frame(MessageType type, uint8_t flags, uint32_t request_id,
                         const Message& message, uint32_t payload_size);

// Fills the 24 bytes at `frame` (message already in place behind it) and the CRC.
void seal_frame(std::byte* frame, const FrameHeader& header);

template <class Message>
SharedBytes encode_frame(MessageType type, uint8_t flags, uint32_t request_id,
                         const Message& message, uint32_t payload_size) {
  const size_t message_size = message.ByteSizeLong();
  HR_CHECK(message_size <= kMaxMessageSize);
  SharedBytes frame = SharedBytes::allocate(kFrameHeaderSize + message_size);
  std::byte* at = frame.mutable_data();
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at) + kFrameHeaderSize);
  seal_frame(at, FrameHeader{flags, static_cast<uint16_t>(type), request_id,
                             static_cast<uint32_t>(message_size), payload_size, 0});
  return frame;
}

}  // namespace headrace::net::native
