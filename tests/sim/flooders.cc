#include "tests/sim/flooders.h"

#include <algorithm>
#include <utility>

namespace headrace::sim {
namespace {

constexpr size_t kFlooderOutstanding = 60;
constexpr size_t kFlooderPadding = 200;
// From the client into the queue: the network, a turn, another reactor's turn.
constexpr int64_t kFlooderTurnsUs = 10 * kMicrosPerMilli;

}  // namespace

Flooder::Flooder(Scene* scene, const SimTopic* topic)
    : Client(scene, topic->tenant),
      topic_(*topic),
      wire_(&scene->world, "flooder-" + std::to_string(number_), tenant_) {}

void Flooder::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (topic_.deleted) left_ = 0;
  if (left_ == 0 || !wire_.ready()) return;
  const Options& options = scene_.world.options();
  while (left_ > 0 && wire_.outstanding() < (loaded_ ? kFlooderOutstanding : 1)) {
    Publish publish;
    publish.form = Publish::Form::atomic;
    publish.count = static_cast<uint32_t>(scene_.prng().between(1, std::min(left_, 3u)));
    publish.padding = scene_.prng().below(kFlooderPadding);
    publish.lane = {topic_.name, 0};
    publish.producer = number_;
    publish.first_number = next_number_;
    Waited waited{tenant_, options.weights.at(tenant_), 0,
                  scene_.world.now().wall_us + options.network.most_delay_us + kFlooderTurnsUs, 0};
    for (uint32_t i = 0; i < publish.count; ++i) {
      const Value value{number_, next_number_ + i};
      waited.bytes += static_cast<int64_t>(key_text(value).size() +
                                           value_text(value, publish.padding, topic_.name).size());
    }
    next_number_ += publish.count;
    left_ -= publish.count;
    send(wire_, publish, [this, waited](const Outcome& outcome) { on_outcome(outcome, waited); });
  }
}

void Flooder::on_outcome(const Outcome& outcome, Waited waited) {
  if (outcome.kind == Reply::Kind::refused && !is_expected(outcome.error_code)) {
    scene_.judge.complain("a flooding publish was refused: " + outcome.error);
  }
  for (const Published& published : outcome.events) {
    scene_.judge.tell(&Checker::on_published, published);
    ++scene_.published;
  }
  if (outcome.events.empty()) return;
  ++scene_.flooded;
  if (!std::exchange(loaded_, true)) return;
  waited.appended_us = outcome.append_time_us;
  scene_.judge.tell(&Checker::on_waited, waited);
}

int64_t Flooder::next_us() const {
  const int64_t mine_us = left_ > 0 ? scene_.now_us() + kMicrosPerMilli : INT64_MAX;
  return std::min(mine_us, wire_.next_us());
}

std::string Flooder::state() const {
  return "flooder " + std::to_string(number_) + ": " + std::to_string(left_) + " to send, " +
         std::to_string(wire_.outstanding()) + " outstanding";
}

}  // namespace headrace::sim
