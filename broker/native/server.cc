#include "broker/native/server.h"

#include <utility>

#include "broker/core/api_access.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::native {

Server::Server(runtime::Reactor* reactor, const ServerOptions& options)
    : reactor_(reactor), options_(options), receive_budget_(options.receive_bytes) {
  reactor->set_front_end(this);
  // Its library reads files when it is used first: now, not on the reactor.
  sasl::ScramServer([](const std::string&) { return sasl::ScramSecrets(); });
}

Server::~Server() {
  delete offered_.load();
}

void Server::offer(std::unique_ptr<const LiveOptions> options) {
  delete offered_.exchange(options.release(), std::memory_order_acq_rel);
  reactor_->io().wake();
}

int Server::listen(const net::Endpoint& wanted, net::Endpoint* bound) {
  return reactor_->io().listen(wanted, this, bound);
}

Session* Server::find(uint64_t origin) {
  auto at = sessions_.find(origin);
  return at == sessions_.end() || at->second->closed() ? nullptr : at->second.get();
}

void Server::on_accepted(net::SocketId socket, const net::Endpoint& peer) {
  const uint64_t origin = next_origin_++;
  auto session = std::make_unique<Session>(this, socket, peer, origin);
  Session* raw = session.get();
  sessions_.emplace(origin, std::move(session));
  metrics::add(metrics::Counter::connections_opened);
  metrics::add(metrics::Gauge::connections, 1);
  if (sessions_.size() > options_.live.max_connections) {
    metrics::add(metrics::Counter::connections_refused);
    raw->farewell(core::Error(core::ErrorCode::limit_reached,
                              std::to_string(options_.live.max_connections) + " connections"));
    return;
  }
  raw->start();
}

void Server::on_reply(core::RequestPtr request) {
  if (Session* session = find(request->origin)) return session->on_answer(std::move(request));
  on_orphan(std::move(request));
}

void Server::detach(core::TenantContext tenant, core::TopicPtr topic, core::GroupPtr group,
                    uint64_t member) {
  auto request = std::make_unique<core::DetachMember>(tenant);
  request->shard = topic->shard;
  request->topic = std::move(topic);
  request->group = std::move(group);
  request->member = member;
  request->requester = this;
  reactor_->submit(std::move(request));
}

// Answers that nobody waits for. Only a membership matters without its session: a member that
// nobody takes out would keep what it holds until the deadlines, as failed attempts.
void Server::on_orphan(core::RequestPtr reply) {
  if (reply->kind == core::Request::Kind::attach_member && !reply->error) {
    auto& attached = core::as<core::AttachMember>(*reply);
    return detach(attached.tenant, attached.topic, attached.group, attached.member);
  }
  if (reply->kind == core::Request::Kind::detach_member &&
      reply->error.code == core::ErrorCode::busy) {
    reply->error = {};
    detaching_.push_back(std::move(reply));
  }
}

void Server::note_key_use(const core::TenantContext& caller) {
  core::RequestPtr note = key_uses_.note(caller, reactor_->now().mono_us);
  if (note == nullptr) return;
  note->requester = this;  // no session's: nobody waits for the answer
  reactor_->submit(std::move(note));
}

// In the trail of its tenant: somebody may be guessing.
void Server::note_wrong_password(const core::Principal& of, const net::Endpoint& peer) {
  const int64_t now_us = reactor_->now().mono_us;
  if (passwords_refused_.size() >= limits::kKeysUsedKnown) passwords_refused_.clear();
  const auto [at, first] = passwords_refused_.try_emplace(runtime::of_password(of), now_us);
  if (!first && now_us - at->second < limits::kPasswordToldUs) return;
  at->second = now_us;
  auto note = std::make_unique<core::NoteAction>(core::Access::node(of.tenant));
  note->shard = kMetaShard;
  note->requester = this;
  note->action = core::AuditAction::password_refused;
  note->object = "principal " + of.name;
  note->changes = {{"peer", "", peer.to_string()}};
  reactor_->submit(std::move(note));
}

void Server::note_refusal(const net::Endpoint& peer, const core::Error& error) {
  metrics::add(metrics::Counter::access_refused);
  ++refusals_unlogged_;
  const int64_t now_us = reactor_->now().mono_us;
  if (now_us < next_refusal_log_mono_us_) return;
  next_refusal_log_mono_us_ = now_us + kMicrosPerSecond;
  log::warn("a caller was not let in", {{"peer", peer.to_string()},
                                        {"why", error.message()},
                                        {"since_the_last_line", refusals_unlogged_}});
  refusals_unlogged_ = 0;
}

void Server::on_turn(const Time& now) {
  if (offered_.load(std::memory_order_relaxed) != nullptr) {
    const std::unique_ptr<const LiveOptions> taken(
        offered_.exchange(nullptr, std::memory_order_acquire));
    if (taken != nullptr) options_.live = *taken;
  }
  // Whoever was paused asks again whether it may go on: in the order they were paused, so that
  // room is shared fairly.
  std::vector<uint64_t> paused = std::move(paused_);
  paused_.clear();
  for (uint64_t origin : paused) {
    if (Session* session = find(origin)) session->update_flow();
  }
  // Frames that came in or broke off have freed memory for those who wait.
  while (const auto origin = receive_budget_.next()) {
    if (Session* session = find(*origin)) session->update_flow();
  }
  start_recodes();
  for (auto& request : std::exchange(detaching_, {})) reactor_->submit(std::move(request));
  if (now.mono_us < next_second_mono_us_) return;
  next_second_mono_us_ = now.mono_us + kMicrosPerSecond / 2;
  for (auto& [origin, session] : sessions_) {
    if (!session->closed()) session->on_second(now);
  }
}

void Server::start_recodes() {
  while (recodes_in_flight_ < limits::kRecodesInFlight && !recode_queue_.empty()) {
    const uint64_t origin = recode_queue_.front();
    recode_queue_.pop_front();
    Session* session = find(origin);
    auto next = session == nullptr ? nullptr : session->next_recode();
    if (next == nullptr) continue;
    ++recodes_in_flight_;
    Recode::start(std::move(next), this, origin);
  }
}

void Server::on_recoded(std::unique_ptr<Recode> recode) {
  --recodes_in_flight_;
  if (Session* session = find(recode->origin())) session->on_recoded(std::move(recode));
}

void Server::flush() {
  for (size_t i = 0; i < dirty_.size(); ++i) {
    auto at = sessions_.find(dirty_[i]);
    if (at == sessions_.end()) continue;
    if (at->second->closed()) {
      sessions_.erase(at);
      metrics::add(metrics::Gauge::connections, -1);
      continue;
    }
    at->second->flush();
  }
  dirty_.clear();
}

void Server::begin_drain() {
  draining_ = true;
  reactor_->io().stop_accepting();
  for (auto& [origin, session] : sessions_) session->begin_drain();
}

void Server::close_all() {
  for (auto& [origin, session] : sessions_) session->close();
}

}  // namespace headrace::native
