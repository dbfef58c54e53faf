#include "tests/sim/repeaters.h"

#include <algorithm>

namespace headrace::sim {
namespace {

constexpr int64_t kRepeaterPauseUs = 200 * kMicrosPerMilli;
constexpr size_t kRepeaterOutstanding = 4;
// Nobody repeats later than this: well within the window.
constexpr int64_t kPatienceUs = kDedupWindowMs * kMicrosPerMilli / 2;

}  // namespace

Repeater::Repeater(Scene* scene, SimTopic* topic)
    : Client(scene, topic->tenant),
      topic_(*topic),
      wire_(&scene->world, "repeater-" + std::to_string(number_), tenant_) {}

// Each event is a producer of its own: a repetition may overtake what was sent behind its first.
void Repeater::plan() {
  auto& prng = scene_.prng();
  Event event;
  event.lane = {topic_.name, static_cast<uint32_t>(prng.below(topic_.partitions))};
  event.value = {number_ * 1'000'000 + static_cast<uint32_t>(next_number_++), 0};
  event.durability = prng.chance(0.8) ? Durability::durable : Durability::written;
  event.first_sent_us = scene_.now_us();
  event.sends_left = static_cast<uint32_t>(prng.between(2, 5));
  event.atomic = prng.chance(0.3);
  --left_;
  pending_.push_back(event);
}

void Repeater::send(const Event& event) {
  proto::Publish message;
  message.set_topic(event.lane.topic);
  message.set_partition(event.lane.partition);
  message.set_durability(event.durability == Durability::durable ? proto::DURABLE : proto::WRITTEN);
  message.set_atomic(event.atomic);
  const std::string value = value_text(event.value, 10, event.lane.topic);
  auto* wire_event = message.add_events();
  wire_event->set_value_size(static_cast<uint32_t>(value.size()));
  wire_event->set_id("repeated-" + std::to_string(event.value.producer));
  wire_.ask(MessageType::publish, message, value,
            [this, event](const Reply& reply) { on_reply(event, reply); });
}

void Repeater::on_reply(Event event, const Reply& reply) {
  if (reply.kind == Reply::Kind::refused) {
    if (!is_expected(reply.error.code())) {
      scene_.judge.complain("a repeated publish was refused: " + reply.error.message());
    }
    pause_until_us_ = scene_.now_us() + kRepeaterPauseUs;
  }
  if (reply.ok()) {
    const auto ok = reply.as<proto::PublishOk>();
    const auto& result = ok.results(0);
    if (result.duplicate()) ++scene_.repeated;
    // An id of its own says nothing of the epoch, so the checker of epochs is not told.
    if (event.durability == Durability::durable) {
      scene_.judge.tell(&Checker::on_repeated, Published{event.lane, event.value, result.offset(),
                                                         event.durability, true, 0});
    }
  }
  if (event.sends_left > 0 && scene_.now_us() < event.first_sent_us + kPatienceUs) {
    pending_.push_back(event);
  }
}

void Repeater::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (topic_.deleted) {
    left_ = 0;
    pending_.clear();
    return;
  }
  if (scene_.now_us() < pause_until_us_ || wire_.outstanding() >= kRepeaterOutstanding) return;
  if (!topic_.created || !wire_.ready()) return;
  if (pending_.empty() && left_ > 0) plan();
  if (pending_.empty()) return;
  Event event = pending_.front();
  pending_.pop_front();
  if (scene_.now_us() >= event.first_sent_us + kPatienceUs) return;
  --event.sends_left;
  send(event);
  // Now and then both are on their way at once.
  if (event.sends_left > 0 && scene_.prng().chance(0.3)) {
    --event.sends_left;
    send(event);
  }
  if (scene_.prng().chance(0.3)) {
    pause_until_us_ = scene_.now_us() + static_cast<int64_t>(scene_.prng().below(kRepeaterPauseUs));
  }
}

int64_t Repeater::next_us() const {
  const bool can = (left_ > 0 || !pending_.empty()) && wire_.outstanding() < kRepeaterOutstanding;
  const int64_t mine_us =
      can ? std::max(pause_until_us_, scene_.now_us() + kMicrosPerMilli) : INT64_MAX;
  return std::min(mine_us, wire_.next_us());
}

std::string Repeater::state() const {
  return "repeater " + std::to_string(number_) + ": " + std::to_string(left_) + " to plan, " +
         std::to_string(pending_.size()) + " to send, " + std::to_string(wire_.outstanding()) +
         " outstanding";
}

}  // namespace headrace::sim
