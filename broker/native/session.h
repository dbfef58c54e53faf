// One connection of the native protocol: hello, requests, subscriptions, flow control. Knows its
// tenant since hello; handlers (handlers/*.cc) do the rest.
//
// Lives on: the reactor that accepted it. Destroyed by the server at the end of the turn in which
// its connection closed; answers that come later find nobody and are dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/core/api.h"
#include "broker/native/group_subscription.h"
#include "broker/native/login.h"
#include "broker/native/recode.h"
#include "broker/native/subscription.h"
#include "broker/runtime/reactor.h"
#include "headrace.pb.h"
#include "net/connection.h"

namespace headrace::native {

class Server;

class Session final : public net::FrameSink {
 public:
  using MessageType = net::native::MessageType;
  using Answer = std::function<void(Session&, core::RequestPtr)>;

  Session(Server* server, net::SocketId socket, const net::Endpoint& peer, uint64_t origin);
  ~Session() override;

  // ---- for handlers

  // Parses the frame's message; answers malformed_message and returns false if it does not parse.
  template <class Message>
  bool parse(const net::native::Frame& frame, Message* message);

  // Sends the request to its shard; `answer` runs on this reactor, not if the session is gone.
  // `bytes` count against the connection's in-flight bytes until then.
  void ask(core::RequestPtr request, size_t bytes, Answer answer);

  template <class Message>
  void reply(const net::native::FrameHeader& to, const Message& message);
  template <class Message>
  void reply(const net::native::FrameHeader& to, const Message& message,
             std::span<const SharedBytes> payload);
  template <class Message>
  void push(MessageType type, const Message& message, std::span<const SharedBytes> payload);
  void fail(const net::native::FrameHeader& to, const core::Error& error);

  // The tenant's topic, cached by name; nullptr and *error if it cannot be used.
  core::TopicPtr topic(const std::string& name, core::Error* error);
  // One that clients publish to.
  core::TopicPtr publish_topic(const std::string& name, core::Error* error);
  core::GroupPtr group(const std::string& name, core::Error* error);
  // Publishes only: not while draining, not when the disk is low.
  core::Error may_publish() const;

  const core::TenantContext& tenant() const { return *tenant_; }
  const net::Endpoint& peer() const { return peer_; }
  // Of the frame that is being handled: what it needs, on this topic.
  core::Error may(std::string_view topic) const { return tenant_->require(permission_, topic); }
  bool greeted() const { return tenant_.has_value(); }
  // Between hello and the proof of who says it; else nullptr.
  std::unique_ptr<Login> take_login() { return std::move(login_); }
  void go_on_with(std::unique_ptr<Login> login) { login_ = std::move(login); }
  // quota_reached: the tenant has as many connections as it may.
  core::Error greet(core::TenantContext tenant, std::string client, CodecSet codecs);
  const std::string& client() const { return client_; }
  // Of the client's verified certificate, RFC 2253; empty: it showed none.
  std::string peer_subject() const { return connection_.peer_subject(); }
  CodecSet codecs() const { return codecs_; }  // what the client can inflate
  // Inflates what is not in `readable`; `done` runs on this reactor, not if the session is gone,
  // in the order of asking.
  void recode(std::vector<core::StoredBatch> batches, CodecSet readable, Recode::Done done);
  runtime::Reactor& reactor();
  const Time& now() { return reactor().now(); }
  Server& server() { return *server_; }
  uint32_t next_round_robin() { return round_robin_++; }

  std::map<uint32_t, std::shared_ptr<Subscription>>& subscriptions() { return subscriptions_; }
  std::map<uint32_t, std::shared_ptr<GroupSubscription>>& group_subscriptions() {
    return group_subscriptions_;
  }
  // invalid_request or limit_reached if the client cannot have one more of that number.
  core::Error may_subscribe(uint32_t subscription) const;
  bool output_full() const { return connection_.output_full(); }

  // Says why in an error frame with request id 0, then closes once that has left.
  void farewell(const core::Error& error);

  // ---- for the server

  void start() { connection_.start(); }
  void on_answer(core::RequestPtr request);
  std::unique_ptr<Recode> next_recode();  // its turn has come; nullptr: not now
  void on_recoded(std::unique_ptr<Recode> recode);
  void flush() { connection_.flush(); }
  void on_second(const Time& now);  // silence, late hello, slow goodbye
  void update_flow();               // pauses or resumes receiving
  void begin_drain();
  void close() { connection_.close(); }
  bool closed() const { return closed_; }
  uint64_t origin() const { return origin_; }

  // ---- net::FrameSink
  void on_frame(net::native::Frame&& frame) override;
  bool may_receive(const net::native::FrameHeader& header) override;
  void on_frame_error(net::native::FrameError error) override;
  void on_end_of_input(bool inside_frame) override;
  void on_output_full() override { update_flow(); }
  void on_output_drained() override;
  void on_closed(int error) override;

 private:
  struct Question {
    Answer answer;  // empty: free
    size_t bytes = 0;
    bool abandonable = false;  // a wait for events: nobody loses anything if it is dropped
  };
  core::Error check_turn(uint16_t type) const;
  core::Error count_connection();
  bool still_welcome();  // else it has said farewell
  void maybe_finish();
  void ask_for_recode();
  void heard();  // the peer is alive
  void send(MessageType type, uint8_t flags, uint32_t request_id,
            const google::protobuf::MessageLite& message, std::span<const SharedBytes> payload);

  Server* const server_;
  const net::Endpoint peer_;
  const uint64_t origin_;
  net::Connection connection_;
  std::unique_ptr<Login> login_;
  std::optional<core::TenantContext> tenant_;
  core::TenantUsePtr use_;        // since hello
  bool counted_ = false;          // among the tenant's connections
  uint64_t checked_version_ = 0;  // of the catalog: by then the caller was still let in
  core::Permission permission_ = core::Permission::open;
  std::string client_;
  CodecSet codecs_;
  std::deque<std::unique_ptr<Recode>> recodes_;  // each counts as outstanding
  bool recoding_ = false;                        // one waits for its turn or is under way
  std::vector<Question> questions_;              // by ticket
  std::vector<uint32_t> free_tickets_;
  size_t outstanding_ = 0;
  size_t outstanding_waits_ = 0;  // of them abandonable
  size_t outstanding_bytes_ = 0;
  std::map<uint32_t, std::shared_ptr<Subscription>> subscriptions_;
  std::map<uint32_t, std::shared_ptr<GroupSubscription>> group_subscriptions_;  // other numbers
  core::CatalogPtr cached_catalog_;
  core::TopicPtr cached_topic_;
  uint32_t round_robin_ = 0;
  int64_t opened_mono_us_;
  int64_t heard_mono_us_;
  uint64_t heard_bytes_ = 0;  // received by then
  int64_t farewell_mono_us_ = 0;
  bool draining_ = false;
  bool input_ended_ = false;
  bool saw_publish_ = false;  // this turn: it is the one to pause under pressure
  bool closed_ = false;
};

template <class Message>
bool Session::parse(const net::native::Frame& frame, Message* message) {
  const auto bytes = frame.message.span();
  if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return true;
  fail(frame.header,
       core::Error(
           core::ErrorCode::malformed_message,
           std::string(net::native::to_string(static_cast<MessageType>(frame.header.type)))));
  return false;
}

template <class Message>
void Session::reply(const net::native::FrameHeader& to, const Message& message) {
  send(static_cast<MessageType>(to.type), 0, to.request_id, message, {});
}

template <class Message>
void Session::reply(const net::native::FrameHeader& to, const Message& message,
                    std::span<const SharedBytes> payload) {
  send(static_cast<MessageType>(to.type), 0, to.request_id, message, payload);
}

template <class Message>
void Session::push(MessageType type, const Message& message, std::span<const SharedBytes> payload) {
  send(type, 0, 0, message, payload);
}

}  // namespace headrace::native
