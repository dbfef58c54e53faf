#include "tests/sim/members.h"

#include <algorithm>

#include "broker/core/error.h"

namespace headrace::sim {
namespace {

constexpr int64_t kMemberPauseUs = 100 * kMicrosPerMilli;

}  // namespace

Member::Member(Scene* scene, SimTopic* topic)
    : Client(scene, topic->tenant),
      wire_(&scene->world, "member-" + std::to_string(number_), tenant_),
      topic_(*topic),
      group_("g-" + topic->name),
      session_timeout_us_(scene->prng().between(10, 60) * kMicrosPerSecond) {}

void Member::give(uint32_t) {
  if (scene_.healed) return;
  if (scene_.prng().chance(0.15)) leaving_ = true;
  if (scene_.prng().chance(0.15)) {
    silent_until_us_ = scene_.now_us() + 2 * session_timeout_us_;
  }
}

// One request at a time: what it was told is what it knows when it asks the next thing.
void Member::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  const int64_t now_us = scene_.now_us();
  if (topic_.deleted || !topic_.created || asked_) return;
  if (now_us < again_us_ || now_us < silent_until_us_ || !wire_.ready()) return;
  if (!joined_) return join();
  if (now_us >= heartbeat_us_) return heartbeat();
  if (commit_one()) return;
  if (leaving_) return leave();
  if (!fetch_one()) again_us_ = now_us + kMemberPauseUs;
}

// ---- membership

Member::Bounds Member::bounds() const {
  Bounds bounds;
  for (uint32_t i = 0; i < topic_.partitions; ++i) {
    const auto known = scene_.positions.find({group_, i});
    if (known != scene_.positions.end()) bounds[i] = known->second;
  }
  return bounds;
}

void Member::believe(int64_t until_us) {
  Belief belief{group_, number_, epoch_, {}, scene_.now_us(), until_us};
  for (const auto& [partition, place] : places_) belief.partitions.insert(partition);
  scene_.judge.tell(&Checker::on_belief, belief);
}

template <class Ok>
void Member::take_assignment(const Ok& ok, const Bounds& bounds, int64_t asked_us) {
  const bool new_epoch = epoch_ != ok.epoch();
  epoch_ = ok.epoch();
  generation_ = ok.generation();
  std::map<uint32_t, Place> mine;
  for (const auto& assigned : ok.assigned()) {
    const auto bound = bounds.find(assigned.partition());
    if (bound != bounds.end() && !topic_.deleted) {
      scene_.judge.told({group_, assigned.partition(), bound->second},
                        {group_, assigned.partition(), assigned.committed()});
    }
    // An acknowledgement that got lost is made up for by what the broker says now.
    if (assigned.committed() >= 0) {
      int64_t& acked = scene_.positions[{group_, assigned.partition()}];
      acked = std::max(acked, assigned.committed());
    }
    const auto had = places_.find(assigned.partition());
    if (had != places_.end() && !new_epoch) {
      mine[assigned.partition()] = had->second;
    } else {
      mine[assigned.partition()] = {std::max<int64_t>(assigned.committed(), 0),
                                    assigned.committed(), 0};
      scene_.judge.jumped(number_, {topic_.name, assigned.partition()});
    }
  }
  places_ = std::move(mine);
  heartbeat_us_ = asked_us + session_timeout_us_ / 3;
  believe(asked_us + session_timeout_us_);
}

void Member::join() {
  asked_ = true;
  proto::JoinGroup message;
  message.set_group(group_);
  message.set_topic(topic_.name);
  message.set_member(name_);
  message.set_session_timeout_ms(static_cast<uint32_t>(session_timeout_us_ / kMicrosPerMilli));
  places_.clear();
  believe(0);
  wire_.ask(MessageType::join_group, message, {},
            [this, bounds = bounds(), asked_us = scene_.now_us()](const Reply& reply) {
              asked_ = false;
              if (!reply.ok()) return on_refused(reply);
              const auto ok = reply.as<proto::JoinGroupOk>();
              joined_ = true;
              name_ = ok.member();
              take_assignment(ok, bounds, asked_us);
            });
}

void Member::heartbeat() {
  asked_ = true;
  proto::Heartbeat message;
  message.set_group(group_);
  message.set_member(name_);
  message.set_generation(generation_);
  wire_.ask(MessageType::heartbeat, message, {},
            [this, bounds = bounds(), asked_us = scene_.now_us()](const Reply& reply) {
              asked_ = false;
              if (!reply.ok()) return on_refused(reply);
              const auto ok = reply.as<proto::HeartbeatOk>();
              const bool moved = ok.generation() != generation_;
              take_assignment(ok, bounds, asked_us);
              if (moved) heartbeat_us_ = scene_.now_us();  // what was let go can be given on
            });
}

void Member::leave() {
  leaving_ = false;
  asked_ = true;
  proto::LeaveGroup message;
  message.set_group(group_);
  message.set_member(name_);
  places_.clear();
  believe(0);
  wire_.ask(MessageType::leave_group, message, {}, [this](const Reply&) {
    asked_ = false;
    joined_ = false;
    name_.clear();
    again_us_ = scene_.now_us() + static_cast<int64_t>(scene_.prng().below(30 * kMicrosPerSecond));
  });
}

void Member::on_refused(const Reply& reply) {
  again_us_ = scene_.now_us() + kMemberPauseUs;
  if (reply.refused(core::ErrorCode::unknown_member) ||
      reply.refused(core::ErrorCode::unknown_group)) {
    joined_ = false;
    name_.clear();
  } else if (reply.refused(core::ErrorCode::stale_generation)) {
    heartbeat_us_ = scene_.now_us();
  } else if (reply.kind == Reply::Kind::refused && !reply.error.retryable() &&
             !scene_.gone({topic_.name, 0})) {
    scene_.judge.complain("a member of " + group_ + " was refused: " + reply.error.message());
  }
}

// ---- reading

bool Member::fetch_one() {
  std::vector<uint32_t> ready;
  for (const auto& [partition, place] : places_) {
    if (place.again_us <= scene_.now_us()) ready.push_back(partition);
  }
  if (ready.empty()) return false;
  fetch(ready[scene_.prng().below(ready.size())]);
  return true;
}

void Member::fetch(uint32_t partition) {
  asked_ = true;
  proto::Fetch message;
  message.set_topic(topic_.name);
  message.set_partition(partition);
  message.set_offset(places_[partition].next);
  message.set_max_bytes(static_cast<uint32_t>(scene_.prng().between(1, 3'000)));
  wire_.ask(MessageType::fetch, message, {}, [this, partition](const Reply& reply) {
    asked_ = false;
    if (reply.refused(core::ErrorCode::offset_out_of_range)) return seek_start(partition);
    if (!reply.ok()) return on_refused(reply);
    const auto ok = reply.as<proto::FetchOk>();
    Place& place = places_[partition];
    std::vector<Seen> events;
    if (!read_batches({topic_.name, partition}, reply.payload,
                      {ok.batch_sizes().begin(), ok.batch_sizes().end()},
                      {ok.append_times_us().begin(), ok.append_times_us().end()}, place.next,
                      number_, &events)) {
      scene_.judge.complain("unreadable batches for group " + group_);
    }
    for (const Seen& seen : events) {
      scene_.judge.tell(&Checker::on_seen, seen);
      place.next = seen.offset + 1;
      ++scene_.read;
    }
    place.again_us =
        scene_.now_us() + (events.empty() ? scene_.prng().between(1, 10) * kMicrosPerSecond : 0);
  });
}

void Member::seek_start(uint32_t partition) {
  if (!topic_.retention && !scene_.gone({topic_.name, partition})) {
    scene_.judge.complain("group " + group_ + " stands outside of the log");
  }
  asked_ = true;
  proto::ListOffsets message;
  message.set_topic(topic_.name);
  message.set_partition(partition);
  message.mutable_at()->set_earliest(true);
  scene_.judge.jumped(number_, {topic_.name, partition});
  wire_.ask(MessageType::list_offsets, message, {}, [this, partition](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) return on_refused(reply);
    places_[partition].next = reply.as<proto::ListOffsetsOk>().offset();
  });
}

bool Member::commit_one() {
  for (const auto& [partition, place] : places_) {
    if (place.next <= std::max<int64_t>(place.committed, 0)) continue;
    if (!leaving_ && !scene_.healed && scene_.prng().chance(0.5)) continue;
    commit(partition);
    return true;
  }
  return false;
}

void Member::commit(uint32_t partition) {
  asked_ = true;
  const int64_t offset = places_[partition].next;
  proto::CommitOffsets message;
  message.set_group(group_);
  message.set_topic(topic_.name);
  message.set_member(name_);
  message.set_epoch(epoch_);
  message.set_generation(generation_);
  auto* row = message.add_offsets();
  row->set_partition(partition);
  row->set_offset(offset);
  wire_.ask(MessageType::commit_offsets, message, {},
            [this, partition, offset](const Reply& reply) {
              asked_ = false;
              if (!reply.ok()) return on_refused(reply);
              int64_t& acked = scene_.positions[{group_, partition}];
              acked = std::max(acked, offset);
              const auto at = places_.find(partition);
              if (at != places_.end()) at->second.committed = offset;
            });
}

int64_t Member::next_us() const {
  if (topic_.deleted || !topic_.created || asked_) return wire_.next_us();
  const int64_t mine_us =
      std::max({again_us_, silent_until_us_, scene_.now_us() + kMicrosPerMilli});
  return std::min(mine_us, wire_.next_us());
}

std::string Member::state() const {
  std::string text = "member " + std::to_string(number_) + " of " + group_ + ":";
  for (const auto& [partition, place] : places_) {
    text += " " + std::to_string(partition) + "@" + std::to_string(place.next) + "/" +
            std::to_string(place.committed);
  }
  return text + (joined_ ? "" : " not joined") + (asked_ ? " asked" : "");
}

}  // namespace headrace::sim
