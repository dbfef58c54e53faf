#include "tests/sim/publishers.h"

#include <algorithm>

#include "broker/core/error.h"

namespace headrace::sim {
namespace {

constexpr int64_t kPublisherPauseUs = 50 * kMicrosPerMilli;

bool is(uint32_t code, core::ErrorCode error) {
  return code == static_cast<uint32_t>(error);
}

}  // namespace

// ---- without a producer id

Publisher::Publisher(Scene* scene, uint32_t tenant)
    : Client(scene, tenant),
      wire_(&scene->world, "publisher-" + std::to_string(number_), tenant_) {}

Publish Publisher::next(SimTopic& topic) {
  auto& prng = scene_.prng();
  Publish publish;
  draw_form(prng, &publish);
  publish.count = std::min(publish.count, left_);
  publish.lane = {topic.name, static_cast<uint32_t>(prng.below(topic.partitions))};
  publish.spread = publish.form == Publish::Form::events && prng.chance(0.3);
  publish.producer = number_;
  publish.first_number = next_number_;
  publish.durability = prng.chance(0.6)   ? Durability::durable
                       : prng.chance(0.5) ? Durability::written
                                          : Durability::memory;
  next_number_ += publish.count;
  left_ -= publish.count;
  return publish;
}

void Publisher::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (left_ == 0 || scene_.now_us() < pause_until_us_ || wire_.outstanding() >= 6) return;
  SimTopic* topic = scene_.any_topic(tenant_);
  if (topic == nullptr || !wire_.ready()) return;
  send(wire_, next(*topic), [this](const Outcome& outcome) { on_outcome(outcome); });
  if (scene_.prng().chance(0.2)) {
    pause_until_us_ =
        scene_.now_us() + static_cast<int64_t>(scene_.prng().below(kPublisherPauseUs));
  }
}

void Publisher::on_outcome(const Outcome& outcome) {
  if (outcome.kind == Reply::Kind::refused) {
    if (!is_expected(outcome.error_code)) {
      scene_.judge.complain("publish was refused: " + outcome.error);
    }
    pause_until_us_ = scene_.now_us() + kPublisherPauseUs;
  }
  if (outcome.kind == Reply::Kind::lost) {
    scene_.judge.tell(&Checker::on_lost_connection, LostConnection{number_, next_number_});
  }
  for (const Published& published : outcome.events) {
    scene_.judge.tell(&Checker::on_published, published);
    ++scene_.published;
  }
}

int64_t Publisher::next_us() const {
  const int64_t mine_us = left_ > 0 && wire_.outstanding() < 6
                              ? std::max(pause_until_us_, scene_.now_us() + kMicrosPerMilli)
                              : INT64_MAX;
  return std::min(mine_us, wire_.next_us());
}

std::string Publisher::state() const {
  return "publisher " + std::to_string(number_) + ": " + std::to_string(left_) + " to send, " +
         std::to_string(wire_.outstanding()) + " outstanding";
}

// ---- with a producer id

IdempotentPublisher::IdempotentPublisher(Scene* scene, uint32_t tenant)
    : Client(scene, tenant),
      wire_(&scene->world, "idempotent-" + std::to_string(number_), tenant_) {}

bool IdempotentPublisher::choose_lane() {
  if (!lane_.topic.empty()) return true;
  SimTopic* topic = scene_.any_topic(tenant_);
  if (topic == nullptr) return false;
  lane_ = {topic->name, static_cast<uint32_t>(scene_.prng().below(topic->partitions))};
  return true;
}

void IdempotentPublisher::ask_for_id() {
  if (asking_) return;
  asking_ = true;
  wire_.ask(MessageType::init_producer, proto::InitProducer(), {}, [this](const Reply& reply) {
    asking_ = false;
    pause_until_us_ = scene_.now_us() + (reply.ok() ? 0 : kPublisherPauseUs);
    if (!reply.ok()) return;
    const auto given = reply.as<proto::InitProducerOk>();
    id_ = given.producer_id();
    epoch_ = given.producer_epoch();
  });
}

void IdempotentPublisher::plan() {
  while (left_ > 0 && pending_.size() < kWindow) {
    Publish publish;
    draw_form(scene_.prng(), &publish);
    publish.count = std::min(publish.count, left_);
    publish.lane = lane_;
    publish.producer = number_;
    publish.first_number = next_number_;
    publish.stamp = Publish::Stamp{id_, epoch_, next_sequence_};
    next_number_ += publish.count;
    next_sequence_ += static_cast<int32_t>(publish.count);
    left_ -= publish.count;
    pending_.push_back({publish});
  }
}

void IdempotentPublisher::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (finished() || scene_.now_us() < pause_until_us_ || !choose_lane()) return;
  if (scene_.gone(lane_)) return give_up();
  if (again_ && outstanding_ == 0) {
    again_ = false;
    sent_ = 0;
    if (forgotten_) begin_anew();
  }
  if (again_ || !wire_.ready()) return;
  if (id_ < 0) return ask_for_id();
  plan();
  if (sent_ < pending_.size()) send_next();
}

void IdempotentPublisher::send_next() {
  const Publish& publish = pending_[sent_++].publish;
  ++outstanding_;
  send(wire_, publish, [this, sequence = publish.stamp->sequence](const Outcome& outcome) {
    --outstanding_;
    on_outcome(sequence, outcome);
  });
}

void IdempotentPublisher::on_outcome(int32_t sequence, const Outcome& outcome) {
  const auto at = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
    return pending.publish.stamp->sequence == sequence;
  });
  for (const Published& published : outcome.events) {
    scene_.judge.tell(&Checker::on_published, published);
    ++scene_.published;
    if (outcome.duplicate) ++scene_.resent;
  }
  if (at == pending_.end()) return;
  if (outcome.kind == Reply::Kind::ok) {
    pending_.erase(at);
    if (sent_ > 0) --sent_;
    return;
  }
  again_ = true;
  pause_until_us_ = scene_.now_us() + kPublisherPauseUs;
  if (outcome.kind == Reply::Kind::lost ||
      is(outcome.error_code, core::ErrorCode::outcome_unknown)) {
    at->maybe_there = true;
    return;
  }
  on_refused(at == pending_.begin(), outcome);
}

void IdempotentPublisher::on_refused(bool first, const Outcome& outcome) {
  using core::ErrorCode;
  if (is_expected(outcome.error_code)) return;
  const bool unknown = is(outcome.error_code, ErrorCode::unknown_producer);
  // Behind something that failed a gap is normal; the first one has none.
  if (!first && (unknown || is(outcome.error_code, ErrorCode::out_of_order_sequence))) return;
  // Only who was away for a week, by the broker's clock, is forgotten.
  const Options& options = scene_.world.options();
  if (unknown && (options.idle_days > 0 || options.clock_step > 0)) {
    forgotten_ = true;
    return;
  }
  scene_.judge.complain("idempotent publish of epoch " + std::to_string(epoch_) + " to " +
                        to_string(lane_) + " was refused: " + outcome.error);
  give_up();
}

// A new epoch begins with sequence 0; what may be there under the old one cannot be sent again.
void IdempotentPublisher::begin_anew() {
  forgotten_ = false;
  if (std::any_of(pending_.begin(), pending_.end(),
                  [](const Pending& pending) { return pending.maybe_there; })) {
    const Lane lane = lane_;
    give_up();
    lane_ = lane;
    return;
  }
  ++epoch_;
  next_sequence_ = 0;
  for (Pending& pending : pending_) {
    pending.publish.stamp = Publish::Stamp{id_, epoch_, next_sequence_};
    next_sequence_ += static_cast<int32_t>(pending.publish.count);
  }
}

// What is left goes elsewhere, as another producer.
void IdempotentPublisher::give_up() {
  forgotten_ = false;
  pending_.clear();
  sent_ = 0;
  again_ = outstanding_ > 0;
  lane_ = {};
  id_ = -1;
  next_sequence_ = 0;
}

int64_t IdempotentPublisher::next_us() const {
  const bool can = !finished() && !asking_ && (again_ ? outstanding_ == 0 : true) &&
                   (sent_ < pending_.size() || pending_.size() < kWindow);
  const int64_t mine_us =
      can ? std::max(pause_until_us_, scene_.now_us() + kMicrosPerMilli) : INT64_MAX;
  return std::min(mine_us, wire_.next_us());
}

std::string IdempotentPublisher::state() const {
  return "idempotent publisher " + std::to_string(number_) + " of " + to_string(lane_) + ": " +
         std::to_string(left_) + " to plan, " + std::to_string(pending_.size()) + " pending, " +
         std::to_string(outstanding_) + " outstanding";
}

}  // namespace headrace::sim
