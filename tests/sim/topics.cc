#include "tests/sim/topics.h"

#include <algorithm>

#include "broker/core/error.h"

namespace headrace::sim {
namespace {
constexpr int64_t kTopicPauseUs = 50 * kMicrosPerMilli;
}

TopicClient::TopicClient(Scene* scene, uint32_t tenant)
    : Client(scene, tenant), wire_(&scene->world, "topics-" + std::to_string(number_), tenant_) {}

// The first one's does it for all: it is the platform's admin.
bool TopicClient::is_prepared() const {
  return tenant_ > 0 || prepared_ == 2 * scene_.world.options().tenants;
}

bool TopicClient::finished() const {
  const bool all_made =
      std::all_of(scene_.topics.begin(), scene_.topics.end(),
                  [this](const SimTopic& topic) { return topic.created || !is_mine(topic); });
  return is_prepared() && all_made && to_delete_ == nullptr && to_read_.empty();
}

std::string TopicClient::state() const {
  return "topic client: " + std::to_string(to_read_.size()) + " partitions to read" +
         (to_delete_ != nullptr ? ", deleting " + to_delete_->name : "");
}

void TopicClient::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (finished() || asked_ || again_us_ > scene_.now_us() || !wire_.ready()) return;
  if (!is_prepared()) return prepare();
  for (SimTopic& topic : scene_.topics) {
    if (is_mine(topic) && !topic.created) return create(topic);
  }
  if (to_delete_ != nullptr) return remove(*to_delete_);
  read_on();
}

void TopicClient::prepare() {
  const uint32_t tenants = scene_.world.options().tenants;
  if (prepared_ == 0) ++prepared_;  // the first one is there
  if (prepared_ < tenants) return create_tenant(prepared_);
  set_quotas(prepared_ - tenants);
}

void TopicClient::create_tenant(uint32_t tenant) {
  asked_ = true;
  proto::CreateTenant message;
  message.set_name(tenant_name(tenant));
  message.set_if_missing(true);
  wire_.ask(MessageType::create_tenant, message, {},
            [this](const Reply& reply) { on_prepared(reply); });
}

void TopicClient::set_quotas(uint32_t tenant) {
  asked_ = true;
  proto::SetQuotas message;
  message.set_name(tenant_name(tenant));
  message.mutable_quotas()->set_publish_events_per_s(scene_.world.options().events_per_s);
  message.mutable_quotas()->set_weight(scene_.world.options().weights.at(tenant));
  wire_.ask(MessageType::set_quotas, message, {},
            [this](const Reply& reply) { on_prepared(reply); });
}

void TopicClient::on_prepared(const Reply& reply) {
  asked_ = false;
  again_us_ = scene_.now_us() + (reply.ok() ? 0 : kTopicPauseUs);
  if (reply.ok()) ++prepared_;
  if (reply.kind == Reply::Kind::refused && !reply.error.retryable()) {
    scene_.judge.complain("preparing tenants: " + reply.error.message());
  }
}

void TopicClient::create(SimTopic& topic) {
  asked_ = true;
  proto::CreateTopic message;
  message.set_name(topic.name);
  message.set_partitions(topic.partitions);
  message.set_if_missing(true);
  if (topic.dedup) message.mutable_dedup()->set_window_ms(kDedupWindowMs);
  if (topic.retention) message.mutable_retention()->set_events(20);
  wire_.ask(MessageType::create_topic, message, {}, [this, &topic](const Reply& reply) {
    asked_ = false;
    again_us_ = scene_.now_us() + (reply.ok() ? 0 : kTopicPauseUs);
    topic.created = reply.ok();
    if (reply.kind == Reply::Kind::refused && !reply.error.retryable()) {
      scene_.judge.complain("create topic: " + reply.error.message());
    }
  });
}

void TopicClient::delete_one() {
  if (to_delete_ != nullptr || !finished()) return;
  SimTopic* topic = scene_.any_topic(tenant_);
  // One stays.
  const auto left =
      std::count_if(scene_.topics.begin(), scene_.topics.end(),
                    [this](const SimTopic& one) { return is_mine(one) && !one.deleted; });
  if (topic == nullptr || left < 2) return;
  to_delete_ = topic;
  topic->deleted = true;
  scene_.judge.forget(topic->name);
}

void TopicClient::remove(SimTopic& topic) {
  asked_ = true;
  proto::DeleteTopic message;
  message.set_name(topic.name);
  wire_.ask(MessageType::delete_topic, message, {}, [this](const Reply& reply) {
    asked_ = false;
    again_us_ = scene_.now_us() + kTopicPauseUs;
    if (reply.kind == Reply::Kind::lost) return;
    const bool gone = reply.error.code() == static_cast<uint32_t>(core::ErrorCode::unknown_topic);
    if (reply.ok() || gone) {
      to_delete_ = nullptr;
    } else if (!reply.error.retryable()) {
      scene_.judge.complain("delete topic: " + reply.error.message());
      to_delete_ = nullptr;
    }
  });
}

// ---- the whole of every partition

void TopicClient::read_everything() {
  for (const SimTopic& topic : scene_.topics) {
    if (!is_mine(topic) || topic.deleted || !topic.created) continue;
    for (uint32_t i = 0; i < topic.partitions; ++i) to_read_.push_back({topic.name, i});
  }
  reading_ = false;
}

void TopicClient::read_on() {
  const Lane& lane = to_read_.back();
  asked_ = true;
  if (!reading_) {
    proto::ListOffsets message;
    message.set_topic(lane.topic);
    message.set_partition(lane.partition);
    message.mutable_at()->set_earliest(true);
    wire_.ask(MessageType::list_offsets, message, {}, [this, lane](const Reply& reply) {
      asked_ = false;
      again_us_ = scene_.now_us() + (reply.ok() ? 0 : kTopicPauseUs);
      if (!reply.ok()) return;
      reading_ = true;
      logs_.push_back({lane, reply.as<proto::ListOffsetsOk>().offset(), {}});
    });
    return;
  }
  scene_.judge.tell(&Checker::on_asked_for_rest, lane);
  proto::Fetch message;
  message.set_topic(lane.topic);
  message.set_partition(lane.partition);
  message.set_offset(logs_.back().log_start + static_cast<int64_t>(logs_.back().values.size()));
  wire_.ask(MessageType::fetch, message, {}, [this](const Reply& reply) { on_fetched(reply); });
}

void TopicClient::on_fetched(const Reply& reply) {
  asked_ = false;
  if (!reply.ok()) {
    again_us_ = scene_.now_us() + kTopicPauseUs;
    reading_ = reply.kind == Reply::Kind::lost && reading_;  // retention came: from its start again
    if (!reading_) logs_.pop_back();
    return;
  }
  const auto ok = reply.as<proto::FetchOk>();
  Final& log = logs_.back();
  const int64_t from = log.log_start + static_cast<int64_t>(log.values.size());
  std::vector<Seen> events;
  if (!read_batches(log.lane, reply.payload, {ok.batch_sizes().begin(), ok.batch_sizes().end()},
                    {ok.append_times_us().begin(), ok.append_times_us().end()}, from, number_,
                    &events)) {
    scene_.judge.complain("unreadable batches of " + to_string(log.lane));
  }
  int64_t next = from;
  for (const Seen& seen : events) {
    if (seen.offset != next++) {
      scene_.judge.complain("a hole in " + to_string(log.lane) + " before " +
                            std::to_string(seen.offset));
    }
    log.values.push_back(seen.value);
  }
  if (next < ok.visible_end() && !events.empty()) return;
  if (next < ok.visible_end()) {
    scene_.judge.complain(to_string(log.lane) + " ends at " + std::to_string(ok.visible_end()) +
                          " and cannot be read beyond " + std::to_string(next));
  }
  ends_[log.lane] = next;
  scene_.judge.tell(&Checker::on_final, log);
  to_read_.pop_back();
  reading_ = false;
}

int64_t TopicClient::next_us() const {
  const int64_t mine_us =
      finished() || asked_ ? INT64_MAX : std::max(again_us_, scene_.now_us() + kMicrosPerMilli);
  return std::min(mine_us, wire_.next_us());
}

}  // namespace headrace::sim
