#include "tests/sim/readers.h"

#include <algorithm>

#include "broker/core/error.h"

namespace headrace::sim {
namespace {

constexpr int64_t kReaderPauseUs = 100 * kMicrosPerMilli;

bool out_of_range(const Reply& reply) {
  return reply.error.code() == static_cast<uint32_t>(core::ErrorCode::offset_out_of_range);
}

// What the messages of fetch and delivery have in common.
template <class Message>
bool take(Scene& scene, const Lane& lane, uint32_t reader, const Message& message,
          std::string_view payload, int64_t* offset) {
  std::vector<Seen> events;
  const bool sound =
      read_batches(lane, payload, {message.batch_sizes().begin(), message.batch_sizes().end()},
                   {message.append_times_us().begin(), message.append_times_us().end()}, *offset,
                   reader, &events);
  if (!sound) scene.judge.complain("unreadable batches of " + to_string(lane));
  for (const Seen& seen : events) {
    scene.judge.tell(&Checker::on_seen, seen);
    if (seen.offset >= message.visible_end()) {
      scene.judge.complain(to_string(lane) + "@" + std::to_string(seen.offset) +
                           " was delivered before it was visible");
    }
    *offset = seen.offset + 1;
    ++scene.read;
  }
  return sound;
}

}  // namespace

// ---- long poll

Reader::Reader(Scene* scene, SimTopic* topic)
    : Client(scene, topic->tenant),
      wire_(&scene->world, "reader-" + std::to_string(number_), tenant_),
      topic_(*topic) {}

void Reader::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (!topic_.created || topic_.deleted) return;
  for (uint32_t partition = 0; partition < topic_.partitions; ++partition) {
    Place& place = places_[partition];
    if (place.asked || place.again_us > scene_.now_us()) continue;
    if (!wire_.ready()) return;
    place.asked = true;
    if (place.offset < 0) {
      ask_start(partition);
    } else {
      fetch(partition);
    }
  }
}

void Reader::ask_start(uint32_t partition) {
  proto::ListOffsets message;
  message.set_topic(topic_.name);
  message.set_partition(partition);
  message.mutable_at()->set_earliest(true);
  scene_.judge.jumped(number_, {topic_.name, partition});
  wire_.ask(MessageType::list_offsets, message, {}, [this, partition](const Reply& reply) {
    Place& place = places_[partition];
    place.asked = false;
    place.again_us = scene_.now_us() + (reply.ok() ? 0 : kReaderPauseUs);
    if (reply.ok()) place.offset = reply.as<proto::ListOffsetsOk>().offset();
  });
}

void Reader::fetch(uint32_t partition) {
  auto& prng = scene_.prng();
  proto::Fetch message;
  message.set_topic(topic_.name);
  message.set_partition(partition);
  message.set_offset(places_[partition].offset);
  message.set_max_bytes(prng.chance(0.3) ? 100 : 0);
  message.set_min_bytes(prng.chance(0.2) ? 500 : 0);
  message.set_wait_ms(prng.chance(0.2) ? 0 : static_cast<uint32_t>(prng.between(100, 20'000)));
  wire_.ask(MessageType::fetch, message, {},
            [this, partition](const Reply& reply) { on_fetched(partition, reply); });
}

void Reader::on_fetched(uint32_t partition, const Reply& reply) {
  Place& place = places_[partition];
  place.asked = false;
  if (!reply.ok()) {
    place.again_us = scene_.now_us() + kReaderPauseUs;
    if (reply.kind == Reply::Kind::refused && out_of_range(reply)) {
      if (!topic_.retention) {
        scene_.judge.complain("a reader of " + topic_.name +
                              " stands outside of the log: " + reply.error.message());
      }
      place.offset = -1;
    }
    return;
  }
  const auto ok = reply.as<proto::FetchOk>();
  const Lane lane{topic_.name, partition};
  scene_.judge.tell(&Checker::on_ends, Ends{lane, ok.log_start(), ok.visible_end()});
  const int64_t before = place.offset;
  take(scene_, lane, number_, ok, reply.payload, &place.offset);
  const bool some = place.offset > before;
  if (!some && ok.visible_end() > before && ok.batch_sizes_size() == 0) {
    scene_.judge.complain(to_string(lane) + " ends at " + std::to_string(ok.visible_end()) +
                          ", but a fetch at " + std::to_string(before) + " brought nothing");
  }
  place.again_us = scene_.now_us() +
                   (some ? 0 : static_cast<int64_t>(scene_.prng().below(5 * kMicrosPerSecond)));
}

int64_t Reader::next_us() const {
  int64_t next_us = wire_.next_us();
  if (!topic_.created || topic_.deleted) return next_us;
  for (const auto& [partition, place] : places_) {
    if (place.asked) continue;
    next_us = std::min(next_us, std::max(place.again_us, scene_.now_us() + kMicrosPerMilli));
  }
  return next_us;
}

// ---- push

Subscriber::Subscriber(Scene* scene, SimTopic* topic)
    : Client(scene, topic->tenant),
      wire_(&scene->world, "subscriber-" + std::to_string(number_), tenant_),
      topic_(*topic) {
  wire_.on_push([this](const Reply& reply) { on_push(reply); });
}

void Subscriber::unsubscribe_all() {
  for (auto& [partition, place] : places_) {
    place.subscription = 0;
    place.asked = false;
    place.again_us = scene_.now_us() + kReaderPauseUs;
  }
}

void Subscriber::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (!topic_.created || topic_.deleted) return;
  if (!wire_.ready()) {
    unsubscribe_all();
    return;
  }
  for (uint32_t partition = 0; partition < topic_.partitions; ++partition) {
    const Place& place = places_[partition];
    if (place.asked || place.subscription != 0 || place.again_us > scene_.now_us()) continue;
    subscribe(partition);
  }
}

void Subscriber::subscribe(uint32_t partition) {
  Place& place = places_[partition];
  place.asked = true;
  place.subscription = next_subscription_++;
  proto::Subscribe message;
  message.set_subscription(place.subscription);
  message.set_topic(topic_.name);
  message.set_partition(partition);
  if (place.offset < 0) {
    message.mutable_from()->set_earliest(true);
  } else {
    message.mutable_from()->set_offset(place.offset);
  }
  message.set_credit_bytes(static_cast<uint32_t>(scene_.prng().between(1, 2'000)));
  wire_.ask(MessageType::subscribe, message, {}, [this, partition](const Reply& reply) {
    Place& at = places_[partition];
    at.asked = false;
    if (!reply.ok()) {
      at.subscription = 0;
      at.again_us = scene_.now_us() + kReaderPauseUs;
      return;
    }
    const int64_t start = reply.as<proto::SubscribeOk>().start_offset();
    if (start == at.offset) return;
    const Lane lane{topic_.name, partition};
    if (at.offset >= 0 && !topic_.retention && !scene_.gone(lane)) {
      scene_.judge.complain("a subscription to " + to_string(lane) + " asked for " +
                            std::to_string(at.offset) + " and starts at " + std::to_string(start));
    }
    scene_.judge.jumped(number_, lane);
    at.offset = start;
  });
}

void Subscriber::on_push(const Reply& reply) {
  if (!reply.ok()) {
    // Which subscription failed is in none of the fields: all begin anew.
    wire_.close();
    unsubscribe_all();
    if (out_of_range(reply)) {
      for (auto& [partition, place] : places_) place.offset = -1;
    }
    return;
  }
  const auto delivery = reply.as<proto::Delivery>();
  const auto at = std::find_if(places_.begin(), places_.end(), [&](const auto& entry) {
    return entry.second.subscription == delivery.subscription();
  });
  if (at == places_.end()) return;
  const Lane lane{topic_.name, at->first};
  take(scene_, lane, number_, delivery, reply.payload, &at->second.offset);
  proto::Credit credit;
  credit.set_subscription(delivery.subscription());
  credit.set_bytes(static_cast<uint32_t>(reply.payload.size()));
  wire_.ask(MessageType::credit, credit, {}, [](const Reply&) {});
}

int64_t Subscriber::next_us() const {
  int64_t next_us = wire_.next_us();
  if (!topic_.created || topic_.deleted) return next_us;
  for (const auto& [partition, place] : places_) {
    if (place.asked || place.subscription != 0) continue;
    next_us = std::min(next_us, std::max(place.again_us, scene_.now_us() + kMicrosPerMilli));
  }
  return next_us;
}

}  // namespace headrace::sim
