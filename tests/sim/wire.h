// One simulated connection of the native protocol: connects, says hello, sends requests, matches
// replies by id. Loses everything outstanding when the connection ends, and tells so.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/core/error.h"
#include "headrace.pb.h"
#include "net/native/frame.h"
#include "tests/sim/tenants.h"
#include "tests/sim/world.h"

namespace headrace::sim {

using net::native::MessageType;

struct Reply {
  enum class Kind : uint8_t { ok, refused, lost } kind = Kind::lost;
  proto::Error error;  // refused
  std::string message;
  std::string payload;

  bool ok() const { return kind == Kind::ok; }
  bool refused(core::ErrorCode code) const {
    return kind == Kind::refused && error.code() == static_cast<uint32_t>(code);
  }
  template <class Message>
  Message as() const {
    Message parsed;
    HR_CHECK(parsed.ParseFromString(message));
    return parsed;
  }
};

class Wire {
 public:
  using Then = std::function<void(const Reply&)>;

  Wire(World* world, std::string name, uint32_t tenant = 0)
      : world_(*world), name_(std::move(name) + mark_of(tenant)), tenant_(tenant) {}

  // True once hello was answered; else starts connecting, a little later after a failure.
  bool ready();
  // Only when ready. `then` runs once, inside step(), also when the connection is lost.
  template <class Message>
  void ask(MessageType type, const Message& message, std::string_view payload, Then then);
  void on_push(Then then) { on_push_ = std::move(then); }

  void step();
  int64_t next_us() const;
  size_t outstanding() const { return waiting_.size(); }
  void close();  // as a client that goes away; what is outstanding is lost
  bool broken() const { return !broken_why_.empty(); }
  const std::string& broken_why() const { return broken_why_; }

 private:
  void connect();
  void receive();
  bool take_frame();
  void lose();
  void queue(const SharedBytes& head, std::string_view payload);
  void flush();

  World& world_;
  const std::string name_;
  const uint32_t tenant_;
  std::unique_ptr<test::SimClient> socket_;
  bool greeted_ = false;
  bool wanted_ = false;
  int64_t retry_us_ = 0;
  int64_t read_again_us_ = 0;
  int64_t spoke_us_ = 0;
  uint32_t next_id_ = 1;
  std::string output_;
  std::string input_;
  std::map<uint32_t, Then> waiting_;  // in order of sending
  Then on_push_;
  std::string broken_why_;  // the broker sent what no broker may send
};

// Topics and groups of all tenants have the same names; here they are told apart (tenants.h).
template <class Message>
Message in_own_names(Message message) {
  const std::string text;
  if constexpr (requires { message.set_topic(text); }) {
    message.set_topic(own_name(message.topic()));
  }
  if constexpr (requires { message.set_group(text); }) {
    message.set_group(own_name(message.group()));
  }
  if constexpr (requires { message.set_name(text); }) message.set_name(own_name(message.name()));
  return message;
}

template <class Message>
void Wire::ask(MessageType type, const Message& message, std::string_view payload, Then then) {
  const uint32_t id = next_id_++;
  waiting_.emplace(id, std::move(then));
  queue(net::native::encode_frame(type, 0, id, in_own_names(message),
                                  static_cast<uint32_t>(payload.size())),
        payload);
}

}  // namespace headrace::sim
