// What went wrong, as the client library reports it: the broker's error as it came in an error
// frame (docs/protocol.md lists them), or one of the client's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace headrace::client {

// The client's own codes, outside the range of the broker's.
constexpr uint32_t kCodeUnreachable = 10'001;  // no connection until the deadline
constexpr uint32_t kCodeConnectionLost =
    10'002;                                    // broke after the request had left: outcome unknown
constexpr uint32_t kCodeNoReply = 10'003;      // connected, but no reply until the deadline
constexpr uint32_t kCodeBadReply = 10'004;     // bytes that are not this protocol
constexpr uint32_t kCodeBadArgument = 10'005;  // refused before anything was sent
constexpr uint32_t kCodeClosed = 10'006;       // the object was closed meanwhile
constexpr uint32_t kCodeTls = 10'007;  // one side speaks TLS and not the other, or a certificate

struct Error {
  uint32_t code = 0;  // 0: none
  std::string name;
  std::string message;  // what happened, to what, what to do
  bool retryable = false;
  uint32_t retry_after_ms = 0;
  // The request had left more than once: an earlier sending, lost with its connection, may have
  // been done, whatever this answer says.
  bool sent_before = false;

  explicit operator bool() const { return code != 0; }
  bool is(std::string_view wanted) const { return name == wanted; }
  // The broker was not reached, or did not answer in time.
  bool is_unreachable() const {
    return code == kCodeUnreachable || code == kCodeConnectionLost || code == kCodeNoReply;
  }
};

inline Error unreachable(std::string why) {
  return {kCodeUnreachable, "unreachable", std::move(why), true, 0};
}
inline Error connection_lost(std::string why) {
  return {kCodeConnectionLost, "connection_lost", std::move(why), true, 0};
}
inline Error no_reply(std::string why) {
  return {kCodeNoReply, "no_reply", std::move(why), true, 0};
}
inline Error bad_reply(std::string why) {
  return {kCodeBadReply, "bad_reply", std::move(why), false, 0};
}
inline Error bad_argument(std::string why) {
  return {kCodeBadArgument, "bad_argument", std::move(why), false, 0};
}
inline Error tls_failed(std::string why) {
  return {kCodeTls, "tls", std::move(why), false, 0};
}
inline Error closed(std::string why) {
  return {kCodeClosed, "closed", std::move(why), false, 0};
}

// A value, or why there is none.
template <class T>
struct [[nodiscard]] Result {
  Error error;
  T value{};

  Result() = default;
  Result(Error why) : error(std::move(why)) {}
  Result(T result) : value(std::move(result)) {}

  bool ok() const { return error.code == 0; }
  T* operator->() { return &value; }
  const T* operator->() const { return &value; }
};

}  // namespace headrace::client
