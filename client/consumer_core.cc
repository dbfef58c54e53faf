#include "client/consumer_core.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace headrace::client {

using net::native::Frame;
using net::native::MessageType;

ConsumerCore::ConsumerCore(Client* client, ConsumerOptions options, uint32_t partitions)
    : has_group(!options.group.empty()),
      client_(client),
      options_(std::move(options)),
      partitions_(partitions),
      backoff_(20, 1000, static_cast<uint64_t>(Loop::now_us())) {}

void ConsumerCore::start() {
  if (!has_group) {
    for (uint32_t partition = 0; partition < partitions_; ++partition) open_lane(partition, -1);
    return;
  }
  member_ =
      std::make_shared<GroupMember>(client_, static_cast<GroupMember::Listener*>(this),
                                    options_.group, options_.topic, options_.session_timeout_ms);
  member_->start();
}

void ConsumerCore::stop() {
  stopped_ = true;
  client_->loop().cancel(&commit_timer_);
  if (member_ != nullptr) member_->stop();
  while (!lanes_.empty()) close_lane(lanes_.begin()->first);
}

void ConsumerCore::leave(std::function<void()> done) {
  if (member_ == nullptr) return done();
  member_->leave(std::move(done));
}

void ConsumerCore::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

// ---- assignment

void ConsumerCore::on_assignment(std::vector<GroupMember::Assigned> assigned,
                                 std::function<void()> adopted) {
  std::set<uint32_t> keep;
  for (const auto& each : assigned) keep.insert(each.partition);
  std::vector<uint32_t> lost;
  for (const auto& [partition, lane] : lanes_) {
    if (!keep.contains(partition)) lost.push_back(partition);
  }
  for (const uint32_t partition : lost) close_lane(partition);
  const auto self = shared_from_this();
  const auto go_on = [self, assigned, adopted, lost] {
    if (self->stopped_) return;
    adopted();
    self->own(assigned);
    for (const auto& each : assigned) {
      if (!self->lanes_.contains(each.partition)) self->open_lane(each.partition, each.committed);
    }
  };
  if (lost.empty()) return go_on();
  // Whatever the broker answers, the partitions go: what was not committed is read again.
  commit([go_on](const Error&) { go_on(); });
}

// What another member has now must not be committed by this one; nor may a batch that was polled
// before the partition came back move its commit backwards.
void ConsumerCore::own(const std::vector<GroupMember::Assigned>& assigned) {
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, int64_t> owned;
  for (const auto& each : assigned) {
    const auto before = owned_.find(each.partition);
    owned[each.partition] = before != owned_.end() ? before->second : each.committed;
  }
  owned_ = std::move(owned);
  assigned_ = true;
  std::erase_if(handled_, [&](const auto& entry) { return !owned_.contains(entry.first); });
}

void ConsumerCore::open_lane(uint32_t partition, int64_t offset) {
  Lane& lane = lanes_[partition];
  lane.token = next_token_++;
  lane.next_offset = offset;
  if (offset >= 0) return pump(partition);
  if (options_.from.at_case() == proto::Position::kOffset) {
    lane.next_offset = options_.from.offset();
    return pump(partition);
  }
  resolve(partition, options_.from);
}

void ConsumerCore::close_lane(uint32_t partition) {
  const auto found = lanes_.find(partition);
  if (found == lanes_.end()) return;
  const uint32_t subscription = found->second.subscription;
  lanes_.erase(found);
  if (subscription != 0) {
    client_->remove_subscription(subscription);
    proto::Unsubscribe request;
    request.set_subscription(subscription);
    client_->start(MessageType::unsubscribe, request, {}, [](const Error&, const Frame&) {});
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(queue_, [&](const Queued& queued) { return queued.batch.partition == partition; });
}

ConsumerCore::Lane* ConsumerCore::lane(uint32_t partition, uint64_t token) {
  const auto found = lanes_.find(partition);
  if (stopped_ || found == lanes_.end() || found->second.token != token) return nullptr;
  return &found->second;
}

void ConsumerCore::resolve(uint32_t partition, const proto::Position& at) {
  proto::ListOffsets request;
  request.set_topic(options_.topic);
  request.set_partition(partition);
  *request.mutable_at() = at;
  CallOptions call;
  call.repeatable = true;
  Lane& asking = lanes_[partition];
  asking.asking = true;
  client_->start(MessageType::list_offsets, request, call,
                 [self = shared_from_this(), partition, token = asking.token](const Error& error,
                                                                              const Frame& frame) {
                   Lane* found = self->lane(partition, token);
                   if (found == nullptr) return;
                   found->asking = false;
                   if (error) return self->on_read_error(partition, error);
                   const auto reply = parse_reply<proto::ListOffsetsOk>(frame);
                   if (!reply.ok()) return self->fail(reply.error);
                   found->next_offset = std::max(found->next_offset, reply->offset());
                   self->pump(partition);
                 });
}

// ---- reading

void ConsumerCore::pump(uint32_t partition) {
  const auto found = lanes_.find(partition);
  if (stopped_ || found == lanes_.end() || found->second.asking) return;
  Lane* lane = &found->second;
  if (lane->next_offset < 0) return resolve(partition, options_.from);
  if (options_.push) {
    if (lane->subscription == 0) subscribe(partition, lane);
  } else if (lane->buffered < options_.buffer_bytes) {
    fetch(partition, lane);
  }
}

void ConsumerCore::pump_later(uint32_t partition, int64_t delay_ms) {
  client_->loop().after_us(delay_ms * 1000,
                           [self = shared_from_this(), partition] { self->pump(partition); });
}

void ConsumerCore::fetch(uint32_t partition, Lane* lane) {
  proto::Fetch request;
  request.set_topic(options_.topic);
  request.set_partition(partition);
  request.set_offset(lane->next_offset);
  request.set_max_bytes(options_.fetch_bytes);
  request.set_min_bytes(1);
  request.set_wait_ms(static_cast<uint32_t>(options_.fetch_wait_ms));
  CallOptions call;
  call.repeatable = true;
  call.timeout_ms = options_.fetch_wait_ms + client_->options().timeout_ms;
  lane->asking = true;
  client_->start(MessageType::fetch, request, call,
                 [self = shared_from_this(), partition, token = lane->token](const Error& error,
                                                                             const Frame& frame) {
                   self->on_fetched(partition, token, error, frame);
                 });
}

void ConsumerCore::on_fetched(uint32_t partition, uint64_t token, const Error& error,
                              const Frame& frame) {
  Lane* found = lane(partition, token);
  if (found == nullptr) return;
  found->asking = false;
  if (error) return on_read_error(partition, error);
  const auto reply = parse_reply<proto::FetchOk>(frame);
  if (!reply.ok()) return fail(reply.error);
  backoff_.reset();
  constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();
  if (accept_all(partition, found, reply.value, frame.payload, kNoEnd)) pump(partition);
}

void ConsumerCore::subscribe(uint32_t partition, Lane* lane) {
  const uint64_t token = lane->token;
  const auto self = shared_from_this();
  Client::Listener listener;
  listener.delivery = [self, partition, token](const proto::Delivery& delivery,
                                               const SharedBytes& payload) {
    self->on_delivery(partition, token, delivery, payload);
  };
  listener.lost = [self, partition, token] {
    Lane* found = self->lane(partition, token);
    // Not subscribed yet: the request itself is sent again, or fails.
    if (found == nullptr || !found->subscribed) return;
    found->subscribed = false;
    self->client_->remove_subscription(std::exchange(found->subscription, 0));
    self->pump_later(partition, 0);
  };
  listener.ended = [self, partition, token](const Error& error) {
    Lane* found = self->lane(partition, token);
    if (found == nullptr) return;
    found->subscribed = false;
    self->client_->remove_subscription(std::exchange(found->subscription, 0));
    self->on_read_error(partition, error);
  };
  lane->subscription = client_->add_subscription(std::move(listener));
  proto::Subscribe request;
  request.set_subscription(lane->subscription);
  request.set_topic(options_.topic);
  request.set_partition(partition);
  request.mutable_from()->set_offset(lane->next_offset);
  const uint64_t room = options_.buffer_bytes - std::min(options_.buffer_bytes, lane->buffered);
  request.set_credit_bytes(static_cast<uint32_t>(room));
  const uint32_t asked =
      client_->start(MessageType::subscribe, request, {},
                     [self, partition, token](const Error& error, const Frame&) {
                       Lane* found = self->lane(partition, token);
                       if (found == nullptr) return;
                       found->subscribed = !error;
                       if (!error) return;
                       self->client_->remove_subscription(std::exchange(found->subscription, 0));
                       if (error.code == kCodeConnectionLost) return self->pump_later(partition, 0);
                       self->on_read_error(partition, error);
                     });
  client_->subscribed_by(lane->subscription, asked);
}

void ConsumerCore::on_delivery(uint32_t partition, uint64_t token, const proto::Delivery& delivery,
                               const SharedBytes& payload) {
  Lane* found = lane(partition, token);
  if (found != nullptr) accept_all(partition, found, delivery, payload, delivery.last_offset());
}

void ConsumerCore::on_read_error(uint32_t partition, const Error& error) {
  if (error.code == kErrorOffsetOutOfRange) {
    // Retention removed it meanwhile, or the position was never in the log: the oldest there is.
    proto::Position earliest;
    earliest.set_earliest(true);
    const int64_t wanted = lanes_[partition].next_offset;
    const auto self = shared_from_this();
    const uint64_t token = lanes_[partition].token;
    proto::ListOffsets request;
    request.set_topic(options_.topic);
    request.set_partition(partition);
    *request.mutable_at() = earliest;
    client_->start(
        MessageType::list_offsets, request, {},
        [self, partition, token, wanted, error](const Error& failed, const Frame& frame) {
          Lane* found = self->lane(partition, token);
          if (found == nullptr) return;
          if (failed) return self->fail(failed);
          const auto reply = parse_reply<proto::ListOffsetsOk>(frame);
          if (!reply.ok() || reply->offset() <= wanted) return self->fail(error);
          found->next_offset = reply->offset();
          self->pump(partition);
        });
    return;
  }
  if (!error.retryable || error.is_unreachable()) return fail(error);
  pump_later(partition, error.retry_after_ms > 0 ? error.retry_after_ms : backoff_.next_ms());
}

template <class Reply>
bool ConsumerCore::accept_all(uint32_t partition, Lane* lane, const Reply& reply,
                              const SharedBytes& payload, int64_t last_offset) {
  size_t at = 0;
  for (int i = 0; i < reply.batch_sizes_size(); ++i) {
    const size_t size = reply.batch_sizes(i);
    if (size > payload.size() - at) {
      fail(bad_reply("the broker's batch sizes exceed the payload"));
      return false;
    }
    const int64_t append_us = i < reply.append_times_us_size() ? reply.append_times_us(i) : 0;
    if (!accept(partition, lane, payload.slice(at, size), append_us, last_offset)) return false;
    at += size;
  }
  return true;
}

bool ConsumerCore::accept(uint32_t partition, Lane* lane, const SharedBytes& bytes,
                          int64_t append_time_us, int64_t last_offset) {
  Result<ReceivedBatch> batch = receive_batch(partition, bytes, append_time_us);
  if (!batch.ok()) {
    fail(batch.error);
    return false;
  }
  if (batch->next_offset() <= lane->next_offset) return true;  // nothing new in it
  batch->first_offset = std::max(batch->header.base_offset, lane->next_offset);
  batch->last_offset = last_offset;
  lane->next_offset = batch->next_offset();
  lane->buffered += bytes.size();
  const std::lock_guard lock(mutex_);
  queue_.push_back({std::move(batch.value), lane->token});
  changed_.notify_one();
  return true;
}

// ---- the application's side

Result<std::optional<ReceivedBatch>> ConsumerCore::poll(int64_t wait_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                    [&] { return !queue_.empty() || error_; });
  if (queue_.empty()) {
    if (error_) return error_;
    return std::optional<ReceivedBatch>{};
  }
  Queued queued = std::move(queue_.front());
  queue_.pop_front();
  lock.unlock();
  client_->loop().post(
      [self = shared_from_this(), partition = queued.batch.partition, token = queued.token,
       bytes = queued.batch.bytes.size()] { self->taken(partition, token, bytes); });
  return std::optional<ReceivedBatch>(std::move(queued.batch));
}

bool ConsumerCore::assigned() {
  const std::lock_guard lock(mutex_);
  return assigned_ || !has_group;
}

void ConsumerCore::taken(uint32_t partition, uint64_t token, uint64_t bytes) {
  Lane* found = lane(partition, token);
  if (found == nullptr) return;
  found->buffered -= std::min(found->buffered, bytes);
  if (!options_.push) return pump(partition);
  if (found->subscription == 0) return;  // the next one asks for all the room there is
  proto::Credit request;
  request.set_subscription(found->subscription);
  request.set_bytes(static_cast<uint32_t>(bytes));
  client_->start(MessageType::credit, request, {}, [](const Error&, const Frame&) {});
}

void ConsumerCore::handled(uint32_t partition, int64_t next_offset) {
  if (!has_group) return;
  bool first;
  {
    const std::lock_guard lock(mutex_);
    const auto owned = owned_.find(partition);
    if (owned == owned_.end() || next_offset < owned->second) return;
    first = handled_.empty();
    handled_[partition] = next_offset;
  }
  if (first) client_->loop().post([self = shared_from_this()] { self->commit_soon(); });
}

void ConsumerCore::commit_soon() {
  if (stopped_ || commit_timer_.first != 0) return;
  commit_timer_ = client_->loop().after_us(options_.commit_interval_ms * 1000, [this] {
    commit_timer_ = {0, 0};
    commit([self = shared_from_this()](const Error& error) {
      // Stale: the assignment is moving, the next commit has the new generation.
      if (error && error.code != kErrorStaleGeneration && error.code != kErrorUnknownMember) {
        self->fail(error);
      }
    });
  });
}

// One at a time: who waits for a commit also waits for the one that is under way, so that leaving
// never overtakes it.
void ConsumerCore::commit(std::function<void(Error)> done) {
  if (member_ == nullptr) return done({});
  if (committing_) {
    commit_waiters_.push_back(std::move(done));
    return;
  }
  proto::CommitOffsets request = member_->commit_request();
  std::map<uint32_t, int64_t> offsets;
  {
    const std::lock_guard lock(mutex_);
    offsets.swap(handled_);
  }
  if (offsets.empty()) return done({});
  for (const auto& [partition, offset] : offsets) {
    proto::OffsetCommit* commit = request.add_offsets();
    commit->set_partition(partition);
    commit->set_offset(offset);
  }
  CallOptions call;
  call.repeatable = true;
  committing_ = true;
  client_->start(MessageType::commit_offsets, request, call,
                 [self = shared_from_this(), offsets, done = std::move(done)](const Error& error,
                                                                              const Frame&) {
                   self->on_commit_reply(offsets, error);
                   done(error);
                   auto waiters = std::exchange(self->commit_waiters_, {});
                   if (waiters.empty()) return;
                   self->commit([waiters = std::move(waiters)](const Error& next) {
                     for (const auto& waiter : waiters) waiter(next);
                   });
                 });
}

void ConsumerCore::on_commit_reply(const std::map<uint32_t, int64_t>& offsets, const Error& error) {
  committing_ = false;
  if (!error) return;
  if (!stopped_) {
    // Kept for the next commit, unless something newer was handled meanwhile.
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, offset] : offsets) handled_.try_emplace(partition, offset);
  }
  if (error.code == kErrorUnknownMember) member_->on_forgotten();
  commit_soon();
}

}  // namespace headrace::client
