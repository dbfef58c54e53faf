#include "net/native/frame.h"

#include <algorithm>
#include <array>

#include "metrics/big_endian.h"
#include "metrics/crc32c.h"

namespace headrace::net::native {
namespace {

// Offsets in the header; the CRC covers what is in front of it and the message.
constexpr size_t kVersionAt = 2;
constexpr size_t kFlagsAt = 3;
constexpr size_t kTypeAt = 4;
constexpr size_t kReservedAt = 6;
constexpr size_t kRequestIdAt = 8;
constexpr size_t kMessageSizeAt = 12;
constexpr size_t kPayloadSizeAt = 16;
constexpr size_t kCrcAt = 20;

// The first two bytes of bytes that are not ours: name the likely mistake.
FrameError name_stranger(uint16_t first_two) {
  constexpr std::array kHttpMethods = {"GE", "PO", "PU", "HE", "DE", "OP", "PA", "CO", "TR"};
  constexpr uint16_t kTlsHandshake = 0x1603;
  if (first_two == (('H' << 8) | 'T')) return FrameError::looks_like_http_reply;
  if (first_two == kTlsHandshake) return FrameError::looks_like_tls;
  const bool http = std::ranges::any_of(kHttpMethods, [&](const char* method) {
    return first_two == ((method[0] << 8) | method[1]);
  });
  return http ? FrameError::looks_like_http : FrameError::not_headrace;
}

uint32_t frame_crc(const std::byte* frame, size_t message_size) {
  const uint32_t crc = crc32c_extend(0, frame, kCrcAt);
  return crc32c_extend(crc, frame + kFrameHeaderSize, message_size);
}

}  // namespace

bool is_known(uint16_t type) {
  return !to_string(static_cast<MessageType>(type)).empty();
}

std::string_view to_string(MessageType type) {
  switch (type) {
#define HR_MESSAGE(number, name, request, reply) \
  case MessageType::name:                        \
    return #name;
#include "net/native/messages.def"
#undef HR_MESSAGE
  }
  return {};
}

std::string_view to_string(FrameError error) {
  switch (error) {
    case FrameError::ok:
      return "the frame is whole";
    case FrameError::need_more:
      return "the frame is not complete yet";
    case FrameError::not_headrace:
      return "the bytes are not a Headrace frame (it starts with \"HR\"): is this a client for "
             "another service?";
    case FrameError::looks_like_http:
      return "this looks like HTTP, but it is the port of the native protocol: use the HTTP port "
             "(7480 unless configured otherwise)";
    case FrameError::looks_like_http_reply:
      return "this is an answer in HTTP: is it a broker's HTTP port? The native protocol has a "
             "port "
             "of its own (7420 unless configured otherwise)";
    case FrameError::looks_like_tls:
      return "this looks like TLS, but this port takes plain connections: connect without TLS, or "
             "for https use the HTTP port";
    case FrameError::bad_version:
      return "the frame has another protocol version; this broker speaks version 1: use a client "
             "of the broker's release";
    case FrameError::bad_reserved:
      return "the frame sets flags or reserved bytes this version does not know: the client is "
             "newer than the broker or out of step with the frames";
    case FrameError::message_too_large:
      return "the frame announces a message above the limit of this connection "
             "(max_message_bytes of HelloOk)";
    case FrameError::payload_too_large:
      return "the frame announces a payload above the limit of this connection "
             "(max_payload_bytes of HelloOk): send smaller batches";
    case FrameError::bad_crc:
      return "the frame's checksum (CRC32C of header and message) does not match its bytes";
  }
  HR_UNREACHABLE("frame error");
}

FrameError read_frame_header(std::span<const std::byte> bytes, FrameHeader* header) {
  const std::byte* at = bytes.data();
  if (bytes.size() < kVersionAt) return FrameError::need_more;
  const auto magic = load_be<uint16_t>(at);
  if (magic != kFrameMagic) return name_stranger(magic);

  if (bytes.size() < kFlagsAt) return FrameError::need_more;
  if (std::to_integer<uint8_t>(at[kVersionAt]) != kFrameVersion) return FrameError::bad_version;

  if (bytes.size() < kTypeAt) return FrameError::need_more;
  header->flags = std::to_integer<uint8_t>(at[kFlagsAt]);
  if ((header->flags & ~kFlagError) != 0) return FrameError::bad_reserved;

  if (bytes.size() < kRequestIdAt) return FrameError::need_more;
  header->type = load_be<uint16_t>(at + kTypeAt);
  if (load_be<uint16_t>(at + kReservedAt) != 0) return FrameError::bad_reserved;

  if (bytes.size() < kPayloadSizeAt) return FrameError::need_more;
  header->request_id = load_be<uint32_t>(at + kRequestIdAt);
  header->message_size = load_be<uint32_t>(at + kMessageSizeAt);
  if (header->message_size > kMaxMessageSize) return FrameError::message_too_large;

  if (bytes.size() < kCrcAt) return FrameError::need_more;
  header->payload_size = load_be<uint32_t>(at + kPayloadSizeAt);
  if (header->payload_size > kMaxPayloadSize) return FrameError::payload_too_large;

  if (bytes.size() < kFrameHeaderSize) return FrameError::need_more;
  header->crc = load_be<uint32_t>(at + kCrcAt);
  return FrameError::ok;
}

bool check_frame_crc(std::span<const std::byte> frame, const FrameHeader& header) {
  HR_CHECK(frame.size() >= kFrameHeaderSize + header.message_size);
  return frame_crc(frame.data(), header.message_size) == header.crc;
}

void seal_frame(std::byte* frame, const FrameHeader& header) {
  store_be<uint16_t>(frame, kFrameMagic);
  store_be<uint8_t>(frame + kVersionAt, kFrameVersion);
  store_be<uint8_t>(frame + kFlagsAt, header.flags);
  store_be<uint16_t>(frame + kTypeAt, header.type);
  store_be<uint16_t>(frame + kReservedAt, 0);
  store_be<uint32_t>(frame + kRequestIdAt, header.request_id);
  store_be<uint32_t>(frame + kMessageSizeAt, header.message_size);
  store_be<uint32_t>(frame + kPayloadSizeAt, header.payload_size);
  store_be<uint32_t>(frame + kCrcAt, frame_crc(frame, header.message_size));
}

}  // namespace headrace::net::native
