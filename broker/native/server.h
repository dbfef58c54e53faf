// The native listener of one reactor: its sessions, their timeouts, and the way back for answers.
//
// Lives on: the reactor.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/native/receive_budget.h"
#include "broker/native/session.h"
#include "broker/runtime/key_uses.h"
#include "broker/runtime/reactor.h"
#include "net/io.h"

namespace headrace::native {

// What may change while it serves.
struct LiveOptions {
  size_t max_connections = 20'000;
  uint32_t default_partitions = 1;  // of a topic whose creator does not say
  core::Retention default_retention;
};

struct ServerOptions {
  std::string version;
  std::string cluster_id;
  LiveOptions live;
  size_t in_flight_bytes_per_connection = limits::kInFlightBytesPerConnection;
  size_t receive_bytes = limits::kReceiveBytes;  // at least the largest frame
  int64_t handshake_us = limits::kHandshakeUs;
  int64_t idle_us = limits::kIdleUs;
  uint32_t max_batch_bytes = limits::kBatchBytesMax;
  core::AnonymousRule anonymous;
};

class Server final : public runtime::FrontEnd, public core::Requester, public net::AcceptHandler {
 public:
  Server(runtime::Reactor* reactor, const ServerOptions& options);
  ~Server() override;

  // The live ones of `options`, from the next turn on. Any thread; a later offer replaces one that
  // was not taken.
  void offer(std::unique_ptr<const LiveOptions> options);
  // 0 or an errno.
  int listen(const net::Endpoint& wanted, net::Endpoint* bound);

  runtime::Reactor& reactor() { return *reactor_; }
  const ServerOptions& options() const { return options_; }
  // Takes a member out of its group, whoever is still there to hear of it.
  void detach(core::TenantContext tenant, core::TopicPtr topic, core::GroupPtr group,
              uint64_t member);
  // For `last used`: the meta shard is told at most once a minute and key.
  void note_key_use(const core::TenantContext& caller);
  // Audited at most once a minute and principal.
  void note_wrong_password(const core::Principal& of, const net::Endpoint& peer);
  // Counted; at most one a second is logged.
  void note_refusal(const net::Endpoint& peer, const core::Error& error);
  void mark_dirty(Session* session) { dirty_.push_back(session->origin()); }
  void mark_paused(Session* session) { paused_.push_back(session->origin()); }
  size_t sessions() const { return sessions_.size(); }
  ReceiveBudget& receive_budget() { return receive_budget_; }
  void queue_recode(Session* session) { recode_queue_.push_back(session->origin()); }
  void on_recoded(std::unique_ptr<Recode> recode);

  // runtime::FrontEnd
  void on_turn(const Time& now) override;
  void flush() override;
  void begin_drain() override;
  bool drained() const override { return sessions_.empty(); }
  void close_all() override;
  // core::Requester
  void on_reply(core::RequestPtr request) override;
  // net::AcceptHandler
  void on_accepted(net::SocketId socket, const net::Endpoint& peer) override;

 private:
  Session* find(uint64_t origin);
  void start_recodes();
  void on_orphan(core::RequestPtr reply);

  runtime::Reactor* const reactor_;
  ServerOptions options_;
  std::atomic<const LiveOptions*> offered_{nullptr};  // owned by whoever takes it out
  ReceiveBudget receive_budget_;
  std::deque<uint64_t> recode_queue_;  // once per session
  size_t recodes_in_flight_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Session>> sessions_;
  uint64_t next_origin_ = 1;
  std::vector<uint64_t> dirty_;              // have output
  std::vector<uint64_t> paused_;             // may be able to go on
  std::vector<core::RequestPtr> detaching_;  // found the mailbox full: sent again next turn
  int64_t next_second_mono_us_ = 0;
  runtime::KeyUses key_uses_;
  std::unordered_map<std::string, int64_t> passwords_refused_;  // told when, monotonic
  int64_t next_refusal_log_mono_us_ = 0;
  uint64_t refusals_unlogged_ = 0;
  bool draining_ = false;
};

}  // namespace headrace::native
