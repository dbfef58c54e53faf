#include "client/group_member.h"

#include <utility>

namespace headrace::client {

using net::native::Frame;
using net::native::MessageType;

GroupMember::GroupMember(Client* client, Listener* listener, std::string group, std::string topic,
                         uint32_t session_timeout_ms)
    : client_(client),
      listener_(listener),
      group_(std::move(group)),
      topic_(std::move(topic)),
      session_timeout_ms_(session_timeout_ms),
      backoff_(50, 1000, static_cast<uint64_t>(Loop::now_us())) {}

void GroupMember::start() {
  join();
}

void GroupMember::stop() {
  stopped_ = true;
  client_->loop().cancel(&timer_);
}

void GroupMember::join() {
  proto::JoinGroup request;
  request.set_group(group_);
  request.set_topic(topic_);
  request.set_member(member_);
  request.set_client(client_->options().name);
  request.set_session_timeout_ms(session_timeout_ms_);
  client_->start(MessageType::join_group, request, {},
                 [self = shared_from_this()](const Error& error, const Frame& frame) {
                   if (!self->stopped_) self->on_joined(error, frame);
                 });
}

void GroupMember::join_after_pause() {
  client_->loop().cancel(&timer_);
  timer_ = client_->loop().after_us(backoff_.next_ms() * 1000, [this] { join(); });
}

void GroupMember::on_joined(const Error& error, const Frame& frame) {
  if (error.code == kErrorUnknownMember) {
    member_.clear();
    return join_after_pause();
  }
  // A lost join left at most a member that its session timeout removes.
  if (error.code == kCodeConnectionLost || (error.retryable && !error.is_unreachable())) {
    return join_after_pause();
  }
  if (error) return listener_->on_group_error(error);
  const Result<proto::JoinGroupOk> reply = parse_reply<proto::JoinGroupOk>(frame);
  if (!reply.ok()) return listener_->on_group_error(reply.error);
  backoff_.reset();
  member_ = reply->member();
  if (reply->heartbeat_interval_ms() > 0) heartbeat_ms_ = reply->heartbeat_interval_ms();
  take(reply.value);
}

// Within one generation the assignment still grows, when other members let go of their partitions.
template <class Reply>
bool GroupMember::differs(const Reply& reply) const {
  if (reply.generation() != generation_ || reply.epoch() != epoch_) return true;
  std::set<uint32_t> partitions;
  for (const proto::Assigned& each : reply.assigned()) partitions.insert(each.partition());
  return partitions != partitions_;
}

template <class Reply>
void GroupMember::take(const Reply& reply) {
  adopting_ = true;
  partitions_.clear();
  std::vector<Assigned> assigned;
  for (const proto::Assigned& each : reply.assigned()) {
    assigned.push_back({each.partition(), each.committed()});
    partitions_.insert(each.partition());
  }
  const uint32_t epoch = reply.epoch();
  const uint32_t generation = reply.generation();
  // The old generation stays in force for the commits of what is given up.
  listener_->on_assignment(std::move(assigned), [self = shared_from_this(), epoch, generation] {
    if (self->stopped_) return;
    self->adopting_ = false;
    self->epoch_ = epoch;
    self->generation_ = generation;
    self->beat_after(0);  // tells the broker that this member has adopted it
  });
  if (adopting_) beat_after(heartbeat_ms_);
}

void GroupMember::beat_after(int64_t delay_ms) {
  client_->loop().cancel(&timer_);
  timer_ = client_->loop().after_us(delay_ms * 1000, [this] { beat(); });
}

void GroupMember::beat() {
  timer_ = {0, 0};
  proto::Heartbeat request;
  request.set_group(group_);
  request.set_member(member_);
  request.set_generation(generation_);
  client_->start(MessageType::heartbeat, request, {},
                 [self = shared_from_this()](const Error& error, const Frame& frame) {
                   if (!self->stopped_) self->on_beat(error, frame);
                 });
}

void GroupMember::on_beat(const Error& error, const Frame& frame) {
  if (error.code == kErrorUnknownMember || error.code == kErrorUnknownGroup) return on_forgotten();
  if (error.code == kCodeConnectionLost || (error.retryable && !error.is_unreachable())) {
    return beat_after(backoff_.next_ms());
  }
  if (error) return listener_->on_group_error(error);
  const Result<proto::HeartbeatOk> reply = parse_reply<proto::HeartbeatOk>(frame);
  if (!reply.ok()) return listener_->on_group_error(reply.error);
  backoff_.reset();
  if (!adopting_ && differs(reply.value)) return take(reply.value);
  if (timer_.first == 0) beat_after(heartbeat_ms_);
}

void GroupMember::on_forgotten() {
  if (stopped_) return;
  member_.clear();
  join_after_pause();
}

void GroupMember::leave(std::function<void()> done) {
  stop();
  if (member_.empty()) return done();
  proto::LeaveGroup request;
  request.set_group(group_);
  request.set_member(member_);
  client_->start(MessageType::leave_group, request, {},
                 [done = std::move(done)](const Error&, const Frame&) { done(); });
}

proto::CommitOffsets GroupMember::commit_request() const {
  proto::CommitOffsets request;
  request.set_group(group_);
  request.set_topic(topic_);
  request.set_member(member_);
  request.set_epoch(epoch_);
  request.set_generation(generation_);
  return request;
}

}  // namespace headrace::client
