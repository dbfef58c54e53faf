#include "broker/native/session.h"

#include <algorithm>
#include <utility>

#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/server.h"
#include "metrics/counters.h"
#include "metrics/log.h"

namespace headrace::native {
namespace {

constexpr int64_t kFarewellUs = 1 * kMicrosPerSecond;  // for the peer to read why, and close

bool is_publish(uint16_t type) {
  return type == static_cast<uint16_t>(Session::MessageType::publish) ||
         type == static_cast<uint16_t>(Session::MessageType::publish_batch);
}

net::ConnectionLimits connection_limits(const ServerOptions& options) {
  net::ConnectionLimits limits;
  limits.max_payload_bytes = options.max_batch_bytes;
  limits.max_output_bytes = limits::kOutputBytesPerConnection;
  return limits;
}

}  // namespace

Session::Session(Server* server, net::SocketId socket, const net::Endpoint& peer, uint64_t origin)
    : server_(server),
      peer_(peer),
      origin_(origin),
      connection_(server->reactor().io(), socket, connection_limits(server->options()), this),
      opened_mono_us_(server->reactor().now().mono_us),
      heard_mono_us_(opened_mono_us_) {}

Session::~Session() {
  if (use_ == nullptr) return;
  use_->publishing_bytes.fetch_sub(static_cast<int64_t>(outstanding_bytes_),
                                   std::memory_order_relaxed);
  if (counted_) use_->connections.fetch_sub(1, std::memory_order_relaxed);
}

runtime::Reactor& Session::reactor() {
  return server_->reactor();
}

// ---- frames in

void Session::on_frame(net::native::Frame&& frame) {
  server_->receive_budget().release(origin_);
  if (connection_.closing()) return;
  heard();
  const auto header = frame.header;
  const Handler* handler = find_handler(header.type);
  if (handler == nullptr) {
    return fail(header, core::Error(core::ErrorCode::unknown_message, std::to_string(header.type)));
  }
  if (core::Error error = check_turn(header.type)) return farewell(error);
  if (greeted() && reactor().catalog()->version == 0) {
    // Just started: what exists is not known yet, and nobody may be told that it does not.
    core::Error error(core::ErrorCode::loading, "the catalog");
    error.retry_after_ms = 100;
    return fail(header, error);
  }
  if (greeted()) {
    if (!still_welcome()) return;
    if (!tenant_->may(handler->permission)) {
      return fail(header, tenant_->require(handler->permission));
    }
  }
  permission_ = handler->permission;
  handler->run(*this, std::move(frame));
  if (is_publish(header.type)) saw_publish_ = true;
  update_flow();
}

// hello, then what its mechanism needs, then all the rest.
core::Error Session::check_turn(uint16_t type) const {
  const bool hello = type == static_cast<uint16_t>(MessageType::hello);
  const bool proof = type == static_cast<uint16_t>(MessageType::authenticate);
  if (login_ != nullptr) {
    if (proof) return {};
    return {core::ErrorCode::bad_authentication, "authenticate comes now"};
  }
  if (hello && greeted()) return {core::ErrorCode::invalid_request, "hello comes once"};
  if (proof && greeted()) return {core::ErrorCode::bad_authentication, "hello named no mechanism"};
  if (!hello && !greeted()) return core::Error(core::ErrorCode::hello_required);
  return {};
}

core::Error Session::greet(core::TenantContext tenant, std::string client, CodecSet codecs) {
  tenant_ = std::move(tenant);
  checked_version_ = reactor().catalog()->version;
  client_ = std::move(client);
  codecs_ = codecs;
  return count_connection();
}

// Platform admins who look after the tenant are not counted: they come when it has a problem.
core::Error Session::count_connection() {
  const core::TenantPtr tenant = reactor().catalog()->tenant(tenant_->tenant());
  if (tenant == nullptr) return {};
  use_ = tenant->use;
  if (!tenant_->reason().empty()) return {};
  counted_ = true;
  const int64_t others = use_->connections.fetch_add(1, std::memory_order_relaxed);
  const int64_t limit = tenant->quotas.of(core::Quota::connections);
  if (limit == 0 || others < limit) return {};
  return core::quota_reached(core::Quota::connections, tenant->quotas, use_.get());
}

// What let the caller in may have been taken away: looked at when the catalog has changed, and when
// a key may have expired.
bool Session::still_welcome() {
  const core::CatalogPtr& catalog = reactor().catalog();
  const int64_t expires_us = tenant_->caller()->expires_us;
  const bool expired = expires_us != 0 && expires_us <= now().wall_us;
  if (checked_version_ == catalog->version && !expired) return true;
  checked_version_ = catalog->version;
  const core::Error error =
      core::Access::recheck(*tenant_, *catalog, server_->options().anonymous, now().wall_us);
  if (!error) return true;
  farewell(error);
  return false;
}

bool Session::may_receive(const net::native::FrameHeader& header) {
  if (is_publish(header.type) && !reactor().takes_publishes(use_.get())) {
    server_->mark_paused(this);
    return false;
  }
  if (header.total_size() <= limits::kSmallFrameBytes) return true;
  if (!greeted()) {
    farewell(core::Error(core::ErrorCode::hello_required, "and it is small"));
    return false;
  }
  return server_->receive_budget().take(origin_, header.total_size());
}

void Session::on_frame_error(net::native::FrameError error) {
  server_->receive_budget().release(origin_);
  metrics::add(metrics::Counter::protocol_errors);
  const bool large = error == net::native::FrameError::message_too_large ||
                     error == net::native::FrameError::payload_too_large;
  farewell(core::Error(large ? core::ErrorCode::too_large : core::ErrorCode::bad_frame,
                       std::string(net::native::to_string(error))));
}

void Session::on_end_of_input(bool inside_frame) {
  if (inside_frame) metrics::add(metrics::Counter::protocol_errors);
  input_ended_ = true;
  maybe_finish();
}

// ---- questions and answers

void Session::ask(core::RequestPtr request, size_t bytes, Answer answer) {
  uint32_t ticket;
  if (free_tickets_.empty()) {
    ticket = static_cast<uint32_t>(questions_.size());
    questions_.emplace_back();
  } else {
    ticket = free_tickets_.back();
    free_tickets_.pop_back();
  }
  const bool wait =
      request->kind == core::Request::Kind::fetch || request->kind == core::Request::Kind::acquire;
  questions_[ticket] = {std::move(answer), bytes, wait};
  ++outstanding_;
  outstanding_waits_ += wait ? 1 : 0;
  outstanding_bytes_ += bytes;
  if (bytes > 0 && use_ != nullptr) {
    use_->publishing_bytes.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  }
  request->requester = server_;
  request->origin = origin_;
  request->ticket = ticket;
  request->received_mono_us = now().mono_us;
  reactor().submit(std::move(request));
}

void Session::on_answer(core::RequestPtr request) {
  const uint32_t ticket = request->ticket;
  Question question = std::move(questions_[ticket]);
  questions_[ticket] = {};
  free_tickets_.push_back(ticket);
  --outstanding_;
  outstanding_waits_ -= question.abandonable ? 1 : 0;
  outstanding_bytes_ -= question.bytes;
  if (question.bytes > 0 && use_ != nullptr) {
    use_->publishing_bytes.fetch_sub(static_cast<int64_t>(question.bytes),
                                     std::memory_order_relaxed);
  }
  if (question.bytes > 0) {
    metrics::record(metrics::Timing::publish_latency, now().mono_us - request->received_mono_us);
  }
  question.answer(*this, std::move(request));
  update_flow();
  if (input_ended_ || draining_) maybe_finish();
}

void Session::send(MessageType type, uint8_t flags, uint32_t request_id,
                   const google::protobuf::MessageLite& message,
                   std::span<const SharedBytes> payload) {
  if (connection_.closing()) return;
  if (message.ByteSizeLong() > net::native::kMaxMessageSize) {
    net::native::FrameHeader to;
    to.type = static_cast<uint16_t>(type);
    to.request_id = request_id;
    return fail(to, core::Error(core::ErrorCode::too_large, "the answer: ask for less at once"));
  }
  size_t payload_size = 0;
  for (const auto& part : payload) payload_size += part.size();
  connection_.send(net::native::encode_frame(type, flags, request_id, message,
                                             static_cast<uint32_t>(payload_size)),
                   payload);
  server_->mark_dirty(this);
}

void Session::fail(const net::native::FrameHeader& to, const core::Error& error) {
  const auto& row = core::info(error.code);
  proto::Error message;
  message.set_code(static_cast<uint32_t>(error.code));
  message.set_name(std::string(row.name));
  message.set_message(error.message());
  message.set_retryable(row.retryable);
  message.set_retry_after_ms(error.retry_after_ms);
  send(static_cast<MessageType>(to.type), net::native::kFlagError, to.request_id, message, {});
}

void Session::farewell(const core::Error& error) {
  if (connection_.closing()) return;
  log::debug("closing a connection", {{"peer", peer_.to_string()}, {"why", error.message()}});
  fail(net::native::FrameHeader{}, error);
  farewell_mono_us_ = now().mono_us;
  connection_.close_after_flush();
  server_->mark_dirty(this);
}

// ---- batches for a client that lacks their codec

void Session::recode(std::vector<core::StoredBatch> batches, CodecSet readable, Recode::Done done) {
  ++outstanding_;
  recodes_.push_back(std::make_unique<Recode>(std::move(batches), readable, std::move(done)));
  recodes_.back()->tenant = tenant().tenant();
  ask_for_recode();
}

// Who does not read is not inflated for.
void Session::ask_for_recode() {
  if (recoding_ || recodes_.empty() || output_full()) return;
  recoding_ = true;
  server_->queue_recode(this);
}

std::unique_ptr<Recode> Session::next_recode() {
  if (output_full()) {
    recoding_ = false;
    return nullptr;
  }
  auto next = std::move(recodes_.front());
  recodes_.pop_front();
  return next;
}

void Session::on_recoded(std::unique_ptr<Recode> recode) {
  recoding_ = false;
  if (recode->status == storage::Status::full) {
    recode->status = storage::Status::ok;
    recodes_.push_front(std::move(recode));
    return ask_for_recode();
  }
  --outstanding_;
  recode->finish(*this);
  ask_for_recode();
  update_flow();
  if (input_ended_ || draining_) maybe_finish();
}

// ---- what the tenant has

core::TopicPtr Session::topic(const std::string& name, core::Error* error) {
  // Before it is looked up: whether it exists is not for everybody either.
  *error = may(name);
  if (*error) return nullptr;
  const core::CatalogPtr& catalog = reactor().catalog();
  if (cached_catalog_ != catalog || cached_topic_ == nullptr || cached_topic_->name != name) {
    cached_catalog_ = catalog;
    cached_topic_ = catalog->topic(tenant_->tenant(), name);
  }
  if (cached_topic_ == nullptr) {
    *error = core::no_such_topic(name);
    return nullptr;
  }
  if (cached_topic_->state != core::Topic::State::active) {
    *error = core::Error(core::ErrorCode::topic_deleting, name);
    return nullptr;
  }
  return cached_topic_;
}

core::TopicPtr Session::publish_topic(const std::string& name, core::Error* error) {
  if (name != core::kSystemTopic) return topic(name, error);
  *error = {core::ErrorCode::invalid_request, "topic: only the broker publishes to '$sys'"};
  return nullptr;
}

core::GroupPtr Session::group(const std::string& name, core::Error* error) {
  auto found = reactor().catalog()->group(tenant_->tenant(), name);
  if (found == nullptr) {
    *error = core::check_name("group", name);
    if (!*error) *error = core::Error(core::ErrorCode::unknown_group, "'" + name + "'");
    return nullptr;
  }
  const auto of = reactor().catalog()->topic(found->tenant, found->topic);
  if (of == nullptr) return found;
  *error = may(of->name);
  return *error ? nullptr : found;
}

core::Error Session::may_subscribe(uint32_t subscription) const {
  if (subscriptions_.contains(subscription) || group_subscriptions_.contains(subscription)) {
    return core::Error(core::ErrorCode::invalid_request,
                       "subscription " + std::to_string(subscription) + " exists");
  }
  constexpr size_t kMost = limits::kSubscriptionsPerConnection;
  if (subscriptions_.size() + group_subscriptions_.size() < kMost) return {};
  return core::Error(core::ErrorCode::limit_reached,
                     std::to_string(kMost) + " subscriptions on one connection");
}

core::Error Session::may_publish() const {
  if (draining_) return core::Error(core::ErrorCode::shutting_down);
  if (server_->reactor().pressure().disk != storage::Pressure::Disk::ok) {
    core::Error error(core::ErrorCode::disk_full);
    error.retry_after_ms = 1'000;
    return error;
  }
  return {};
}

// ---- flow, silence and the end

// Receiving rests while the connection has too much under way, its peer does not read, or the store
// is behind and it publishes.
void Session::update_flow() {
  const bool store_behind = saw_publish_ && !reactor().takes_publishes(use_.get());
  const bool full = outstanding_ >= limits::kRequestsPerConnection ||
                    outstanding_bytes_ >= server_->options().in_flight_bytes_per_connection ||
                    connection_.output_full();
  if (store_behind) server_->mark_paused(this);  // nothing else would wake it
  if (store_behind || full) {
    connection_.pause();
    return;
  }
  saw_publish_ = false;
  connection_.resume();
}

void Session::on_output_drained() {
  update_flow();
  ask_for_recode();
  // Over copies: an answer that comes at once may end a subscription.
  for (auto& [id, subscription] : std::map(subscriptions_)) subscription->pump(*this);
  std::vector<std::shared_ptr<GroupSubscription>> groups;
  for (const auto& [id, subscription] : group_subscriptions_) groups.push_back(subscription);
  std::ranges::stable_sort(groups, std::greater(),
                           [](const auto& one) { return one->group()->options.priority; });
  for (const auto& subscription : groups) subscription->pump(*this);
}

void Session::on_second(const Time& now) {
  if (farewell_mono_us_ != 0) {
    if (now.mono_us - farewell_mono_us_ > kFarewellUs) connection_.close();
    return;
  }
  // Who is not listened to cannot be heard. Of a frame that is arriving a good piece counts: fewer
  // bytes are no sign of life.
  if (connection_.held_back()) heard();
  if (connection_.received_bytes() - heard_bytes_ >= limits::kProgressBytes) heard();
  if (greeted() && !still_welcome()) return;
  const int64_t silent_us = now.mono_us - heard_mono_us_;
  // Deriving a key takes the client its time.
  const int64_t handshake_us =
      server_->options().handshake_us + (login_ != nullptr ? limits::kAuthenticateUs : 0);
  const bool late = !greeted() && now.mono_us - opened_mono_us_ > handshake_us;
  const bool silent = silent_us > server_->options().idle_us;
  if (!late && !silent) return;
  metrics::add(metrics::Counter::connections_timed_out);
  farewell(core::Error(core::ErrorCode::timed_out, !late ? "no frame within the idle time"
                                                   : login_
                                                       ? "no proof within the handshake time"
                                                       : "no hello within the handshake time"));
}

void Session::heard() {
  heard_mono_us_ = now().mono_us;
  heard_bytes_ = connection_.received_bytes();
}

void Session::begin_drain() {
  draining_ = true;
  maybe_finish();
}

// Says goodbye once nothing is owed any more but waits for events.
void Session::maybe_finish() {
  if (outstanding_ > outstanding_waits_ || connection_.closing()) return;
  if (draining_) {
    farewell(core::Error(core::ErrorCode::shutting_down));
  } else if (input_ended_) {
    farewell_mono_us_ = now().mono_us;
    connection_.close_after_flush();
    server_->mark_dirty(this);
  }
}

void Session::on_closed(int) {
  closed_ = true;
  server_->receive_budget().release(origin_);
  for (auto& [id, subscription] : subscriptions_) subscription->cancel();
  subscriptions_.clear();
  for (auto& [id, subscription] : std::exchange(group_subscriptions_, {})) subscription->end(*this);
  server_->mark_dirty(this);
}

}  // namespace headrace::native
