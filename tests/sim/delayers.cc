#include "tests/sim/delayers.h"

#include <algorithm>

#include "broker/core/error.h"
#include "broker/limits.h"

namespace headrace::sim {
namespace {

constexpr int64_t kDelayerPauseUs = 200 * kMicrosPerMilli;
constexpr int64_t kLongestUs = 90 * kMicrosPerSecond;
constexpr size_t kDelayerOutstanding = 4;

}  // namespace

Delayer::Delayer(Scene* scene, uint32_t tenant)
    : Client(scene, tenant), wire_(&scene->world, "delayer-" + std::to_string(number_), tenant_) {}

// Each event is a producer of its own: they are not in the order of sending.
void Delayer::send_one(const SimTopic& topic) {
  auto& prng = scene_.prng();
  Waiting sent;
  sent.lane = {topic.name, static_cast<uint32_t>(prng.below(topic.partitions))};
  sent.value = {number_ * 1'000'000 + next_++, 0};
  // Now and then it is due already.
  sent.due_us = scene_.world.now().wall_us + prng.between(-kMicrosPerSecond, kLongestUs);
  --left_;
  proto::Publish message;
  message.set_topic(sent.lane.topic);
  message.set_partition(sent.lane.partition);
  message.set_due_us(sent.due_us);
  const std::string value = value_text(sent.value, prng.below(100), sent.lane.topic);
  auto* event = message.add_events();
  event->set_value_size(static_cast<uint32_t>(value.size()));
  if (prng.chance(0.5)) event->set_id("delayed-" + std::to_string(sent.value.producer));
  scene_.judge.tell(&Checker::on_delay,
                    Delay{Delay::What::sent, sent.lane, sent.value, sent.due_us});
  last_due_us_ = std::max(last_due_us_, sent.due_us);
  wire_.ask(MessageType::publish, message, value,
            [this, sent](const Reply& reply) { on_published(sent, reply); });
}

void Delayer::on_published(Waiting sent, const Reply& reply) {
  if (!reply.ok()) {
    pause_until_us_ = scene_.now_us() + kDelayerPauseUs;
    // The wall clock may have been set back on the way.
    const bool far = sent.due_us > scene_.world.now().wall_us + limits::kDelayUsMax;
    if (reply.kind == Reply::Kind::refused && !is_expected(reply.error.code()) && !far) {
      scene_.judge.complain("delayed publish was refused: " + reply.error.message());
    }
    return;
  }
  const auto ok = reply.as<proto::PublishOk>();
  const auto& result = ok.results(0);
  if (result.due_us() == 0) {
    // Due when it came: in the log by now.
    return scene_.judge.tell(&Checker::on_delay,
                             Delay{Delay::What::accepted, sent.lane, sent.value, sent.due_us});
  }
  if (result.due_us() != sent.due_us || result.offset() != -1 || result.id().empty()) {
    scene_.judge.complain("a delayed publish was acknowledged with wrong coordinates");
  }
  sent.id = result.id();
  ++scene_.delayed;
  scene_.judge.tell(&Checker::on_delay,
                    Delay{Delay::What::accepted, sent.lane, sent.value, sent.due_us});
  if (scene_.prng().chance(0.4)) cancellable_.push_back(sent);
}

void Delayer::cancel_one() {
  const Waiting taken = cancellable_.front();
  cancellable_.pop_front();
  proto::CancelDelayed message;
  message.set_topic(taken.lane.topic);
  message.set_id(taken.id);
  auto tell = [this, taken](Delay::What what) {
    scene_.judge.tell(&Checker::on_delay, Delay{what, taken.lane, taken.value, taken.due_us});
  };
  tell(Delay::What::cancelling);
  wire_.ask(MessageType::cancel_delayed, message, {}, [this, tell](const Reply& reply) {
    using core::ErrorCode;
    if (reply.ok()) {
      ++scene_.cancelled;
      if (reply.as<proto::CancelDelayedOk>().cancelled() != 1) {
        scene_.judge.complain("a cancel took several events");
      }
      return tell(Delay::What::cancelled);
    }
    if (reply.kind == Reply::Kind::lost) return;
    const uint32_t code = reply.error.code();
    if (code == static_cast<uint32_t>(ErrorCode::unknown_delayed)) {
      return tell(Delay::What::cancel_failed);  // it is in the log: owed
    }
    if (!is_expected(code)) scene_.judge.complain("cancel was refused: " + reply.error.message());
  });
}

void Delayer::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (scene_.now_us() < pause_until_us_ || wire_.outstanding() >= kDelayerOutstanding ||
      !wire_.ready()) {
    return;
  }
  if (!cancellable_.empty() && scene_.prng().chance(0.5)) {
    cancel_one();
  } else if (left_ > 0) {
    const SimTopic* topic = scene_.any_topic(tenant_);
    if (topic != nullptr) send_one(*topic);
  } else if (!cancellable_.empty()) {
    cancel_one();
  }
  if (scene_.prng().chance(0.3)) {
    pause_until_us_ =
        scene_.now_us() + static_cast<int64_t>(scene_.prng().below(5 * kDelayerPauseUs));
  }
}

// With a clock that was set back by weeks nobody waits: what is not due then is not owed.
bool Delayer::finished() const {
  const bool waits = scene_.world.options().clock_step == 0 && scene_.healed &&
                     scene_.world.now().wall_us < last_due_us_;
  return left_ == 0 && cancellable_.empty() && wire_.outstanding() == 0 && !waits;
}

int64_t Delayer::next_us() const {
  const bool can =
      (left_ > 0 || !cancellable_.empty()) && wire_.outstanding() < kDelayerOutstanding;
  const int64_t mine_us = can ? std::max(pause_until_us_, scene_.now_us() + kMicrosPerMilli)
                          : finished() ? INT64_MAX
                                       : scene_.now_us() + kMicrosPerSecond;
  return std::min(mine_us, wire_.next_us());
}

std::string Delayer::state() const {
  return "delayer " + std::to_string(number_) + ": " + std::to_string(left_) + " to send, " +
         std::to_string(cancellable_.size()) + " to cancel, " +
         std::to_string(wire_.outstanding()) + " outstanding";
}

}  // namespace headrace::sim
