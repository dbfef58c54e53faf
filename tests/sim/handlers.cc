#include "tests/sim/handlers.h"

#include <algorithm>

#include "broker/core/error.h"

namespace headrace::sim {
namespace {

constexpr int64_t kHandlerPauseUs = 100 * kMicrosPerMilli;
constexpr int64_t kRetryBaseMs = 500;  // times 2 to the power of the attempts that failed
constexpr uint64_t kPoison = 19;       // one event in so many

// GROUP/NUMBER; 0: none
uint32_t number_of(const std::string& job) {
  const size_t slash = job.rfind('/');
  if (slash == std::string::npos) return 0;
  return static_cast<uint32_t>(std::stoul(job.substr(slash + 1)));
}

// Jitter comes on top.
int64_t least_delay_us(const proto::Outcome& outcome) {
  if (outcome.verdict() != proto::NACK) return 0;
  if (outcome.has_delay_ms()) return outcome.delay_ms() * kMicrosPerMilli;
  return (kRetryBaseMs << outcome.attempt()) * kMicrosPerMilli;
}

}  // namespace

Handler::Handler(Scene* scene, SimTopic* topic)
    : Client(scene, topic->tenant),
      wire_(&scene->world, "handler-" + std::to_string(number_), tenant_),
      topic_(*topic),
      group_("h-" + topic->name) {
  wire_.on_push([this](const Reply& reply) { on_push(reply); });
}

void Handler::give(uint32_t) {
  if (!scene_.healed && scene_.prng().chance(0.2)) leaving_ = true;
  if (!scene_.healed && scene_.prng().chance(0.2)) purging_ = true;
}

// A new connection is a new member; what this one held is the broker's to give again.
void Handler::start_again() {
  subscribed_ = false;
  asked_ = false;
  drained_ = false;
  todo_.clear();
  again_us_ = scene_.now_us() + kHandlerPauseUs;
}

void Handler::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (!topic_.created || gone()) return;
  if (!wire_.ready()) {
    if (subscribed_) start_again();
    return;
  }
  if (leaving_) {
    leaving_ = false;
    wire_.close();
    return start_again();
  }
  if (asked_ || scene_.now_us() < again_us_) return;
  if (!declared_) return declare();
  if (!subscribed_) return subscribe();
  if (settle_some()) return;
  if (purging_ && !collecting_) return count_letters();
  if (!scene_.healed && scene_.now_us() >= job_us_) return change_jobs();
  if (scene_.healed && scene_.now_us() >= look_us_) ask_how_it_stands();
}

void Handler::declare() {
  asked_ = true;
  proto::CreateGroup message;
  message.set_group(group_);
  message.set_topic(topic_.name);
  message.set_if_missing(true);
  auto* options = message.mutable_options();
  options->mutable_from()->set_earliest(true);
  options->mutable_retry()->set_max_retries(kMaxRetries);
  options->mutable_retry()->set_base_ms(kRetryBaseMs);
  options->set_ack_deadline_ms(3'000);
  options->set_cooldown_ms(1'000);
  if (topic_.by_key) options->set_ordering("key");
  if (topic_.by_key) options->set_keep_attempts("all");
  if (topic_.dlq_entries > 0) options->set_dlq_entries(topic_.dlq_entries);
  wire_.ask(MessageType::create_group, message, {}, [this](const Reply& reply) {
    asked_ = false;
    declared_ = reply.ok();
    if (!reply.ok()) again_us_ = scene_.now_us() + kHandlerPauseUs;
    if (reply.kind == Reply::Kind::refused && !reply.error.retryable() && !gone()) {
      scene_.judge.complain(group_ + " was refused: " + reply.error.message());
    }
  });
}

void Handler::subscribe() {
  asked_ = true;
  proto::SubscribeGroup message;
  message.set_subscription(++subscription_);
  message.set_group(group_);
  message.set_window_events(static_cast<uint32_t>(scene_.prng().between(1, kWindowMost)));
  message.set_decoded(scene_.prng().chance(0.3));
  wire_.ask(MessageType::subscribe_group, message, {}, [this](const Reply& reply) {
    asked_ = false;
    subscribed_ = reply.ok();
    if (!reply.ok()) again_us_ = scene_.now_us() + kHandlerPauseUs;
  });
}

// ---- deliveries

void Handler::on_push(const Reply& reply) {
  if (!reply.ok()) {
    wire_.close();
    return start_again();
  }
  const auto delivery = reply.as<proto::GroupDelivery>();
  if (delivery.subscription() != subscription_) return;
  const Lane lane{topic_.name, delivery.partition()};
  std::vector<Seen> events;
  bool sound = read_batches(
      lane, std::string_view(reply.payload).substr(0, delivery.events_size() > 0 ? 0 : SIZE_MAX),
      {delivery.batch_sizes().begin(), delivery.batch_sizes().end()},
      {delivery.append_times_us().begin(), delivery.append_times_us().end()}, 0, number_, &events);
  sound = sound && read_events(lane, delivery.events(), reply.payload, number_, &events);
  if (!sound) scene_.judge.complain("unreadable deliveries of " + group_);
  for (const auto& range : delivery.acquired()) {
    int64_t next = range.first_offset();
    for (const Seen& seen : events) {
      if (seen.offset < range.first_offset() || seen.offset > range.last_offset()) continue;
      if (seen.offset == next) ++next;
      on_event(delivery.partition(), delivery.lane(), seen, range.attempt());
    }
    if (next != range.last_offset() + 1) {
      scene_.judge.complain(group_ + " got a range without its event " + std::to_string(next));
    }
  }
}

void Handler::on_event(uint32_t partition, uint32_t job, const Seen& seen, uint32_t attempt) {
  ++scene_.handled;
  scene_.judge.tell(&Checker::on_delivered,
                    Delivered{group_, seen.lane, seen.value, seen.offset, attempt, kMaxRetries + 1,
                              scene_.now_us(), job, topic_.by_key ? seen.key : ""});
  if (job == 0) seen_ends_[partition] = std::max(seen_ends_[partition], seen.offset + 1);
  decide(partition, job, seen, attempt);
}

void Handler::decide(uint32_t partition, uint32_t job, const Seen& seen, uint32_t attempt) {
  auto& prng = scene_.prng();
  Todo todo;
  todo.due_us = scene_.now_us() + (prng.chance(0.5) ? 0 : prng.between(0, 2 * kMicrosPerSecond));
  proto::Outcome& outcome = todo.outcome;
  outcome.set_partition(partition);
  outcome.set_lane(job);
  outcome.set_first_offset(seen.offset);
  outcome.set_last_offset(seen.offset);
  outcome.set_attempt(attempt);
  const uint64_t chance = scene_.healed ? 100 : prng.below(100);
  if (seen.value.number % kPoison == 7) {
    outcome.set_verdict(proto::NACK);
  } else if (chance < 6) {
    return;  // its deadline passes
  } else if (chance < 14) {
    outcome.set_verdict(proto::NACK);
    if (prng.chance(0.5)) outcome.set_delay_ms(static_cast<int64_t>(prng.below(3'000)));
  } else if (chance < 17) {
    outcome.set_verdict(proto::REJECT);
  } else if (chance < 21) {
    outcome.set_verdict(proto::RELEASE);
  } else if (chance < 24) {
    outcome.set_verdict(proto::EXTEND);
  }
  outcome.set_error(outcome.verdict() == proto::NACK ? "it broke " + mark_of(tenant_) : "");
  todo_.push_back(std::move(todo));
}

bool Handler::settle_some() {
  proto::Settle message;
  message.set_subscription(subscription_);
  for (size_t i = todo_.size(); i > 0; --i) {
    Todo todo = std::move(todo_.front());
    todo_.pop_front();
    if (todo.due_us <= scene_.now_us()) {
      *message.add_outcomes() = std::move(todo.outcome);
    } else {
      todo_.push_back(std::move(todo));
    }
  }
  if (message.outcomes_size() == 0) return false;
  asked_ = true;
  auto tell = [this, message, sent_us = scene_.now_us()](int i, bool accepted) {
    const auto& outcome = message.outcomes(i);
    scene_.judge.tell(&Checker::on_outcome, HowItEnded{group_,
                                                       {topic_.name, outcome.partition()},
                                                       outcome.first_offset(),
                                                       outcome.attempt(),
                                                       outcome.verdict() == proto::ACK,
                                                       outcome.verdict() == proto::NACK,
                                                       accepted,
                                                       scene_.now_us(),
                                                       outcome.lane(),
                                                       outcome.verdict() == proto::REJECT,
                                                       sent_us,
                                                       least_delay_us(outcome)});
  };
  for (int i = 0; i < message.outcomes_size(); ++i) tell(i, false);  // it may arrive and be lost
  wire_.ask(MessageType::settle, message, {}, [this, message, tell](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) {
      again_us_ = scene_.now_us() + kHandlerPauseUs;
      return;
    }
    const auto ok = reply.as<proto::SettleOk>();
    for (int i = 0; i < ok.error_codes_size(); ++i) {
      if (ok.error_codes(i) == 0) tell(i, true);
    }
  });
  return true;
}

// ---- the end

void Handler::ask_how_it_stands() {
  if (collecting_ && !collected_) return list({}, [this] { end_collecting(); });
  asked_ = true;
  look_us_ = scene_.now_us() + kMicrosPerSecond;
  proto::DescribeGroup message;
  message.set_group(group_);
  wire_.ask(MessageType::describe_group, message, {}, [this](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) return;
    const auto ok = reply.as<proto::DescribeGroupOk>();
    const bool quiet = ok.lag_events() == 0;
    last_told_ = ok.state() + ", lag " + std::to_string(ok.lag_events()) + ", in flight " +
                 std::to_string(ok.in_flight()) + ", retry " + std::to_string(ok.retry()) +
                 ", blocked " + std::to_string(ok.dlq_state().blocked());
    drained_ = false;
    // Jobs wait for space, too.
    purging_ = ok.dlq_state().blocked() > 0 || ok.dlq_state().level() == "full";
    if (ok.state() == "quarantined") return enable();
    if (quiet) ask_for_jobs();
  });
}

void Handler::enable() {
  asked_ = true;
  proto::SetGroupState message;
  message.set_group(group_);
  message.set_action("enable");
  message.set_reason("the handler works again");
  wire_.ask(MessageType::set_group_state, message, {}, [this](const Reply&) { asked_ = false; });
}

void Handler::collect() {
  collecting_ = true;
  look_us_ = scene_.now_us();
}

// A purge takes what was counted: all of that is listed before, unless another handler removed it,
// and that one listed it, too.
void Handler::count_letters() {
  asked_ = true;
  purging_ = false;
  proto::DeleteDeadLetters message;
  message.set_group(group_);
  message.set_all(true);
  wire_.ask(MessageType::delete_dead_letters, message, {}, [this](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) return;
    const std::string token = reply.as<proto::DeleteDeadLettersOk>().token();
    if (!token.empty()) list({}, [this, token] { purge(token); });
  });
}

void Handler::purge(const std::string& token) {
  asked_ = true;
  proto::DeleteDeadLetters message;
  message.set_group(group_);
  message.set_all(true);
  message.set_token(token);
  wire_.ask(MessageType::delete_dead_letters, message, {}, [this](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) return;
    const auto ok = reply.as<proto::DeleteDeadLettersOk>();
    scene_.purged += static_cast<uint64_t>(ok.deleted());
    if (ok.deleted() > ok.matched()) scene_.judge.complain(group_ + " deleted what did not match");
  });
}

void Handler::end_collecting() {
  for (uint32_t i = 0; i < topic_.partitions; ++i) {
    scene_.judge.tell(&Checker::on_drained, Drained{group_, {topic_.name, i}});
  }
  tell_of_jobs();
}

void Handler::list(const std::string& cursor, std::function<void()> then) {
  asked_ = true;
  proto::ListDeadLetters message;
  message.set_group(group_);
  message.set_cursor(cursor);
  message.set_page_size(static_cast<uint32_t>(scene_.prng().between(1, 100)));
  if (cursor.empty()) listed_.clear();
  wire_.ask(MessageType::list_dead_letters, message, {}, [this, then](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) {
      if (reply.refused(core::ErrorCode::unknown_group)) collected_ = true;
      return;
    }
    const auto ok = reply.as<proto::ListDeadLettersOk>();
    for (const auto& letter : ok.letters()) {
      scene_.judge.tell(&Checker::on_dead, Dead{group_,
                                                {topic_.name, letter.partition()},
                                                letter.offset(),
                                                letter.id(),
                                                letter.lane(),
                                                number_of(letter.redriven_by()),
                                                letter.reason()});
      if (letter.reason() == "schema_violation") ++scene_.kept_back;
      listed_.push_back(letter.id());
    }
    if (!ok.cursor().empty()) return list(ok.cursor(), then);
    then();
  });
}

int64_t Handler::next_us() const {
  int64_t next_us = wire_.next_us();
  if (!topic_.created || gone() || asked_) return next_us;
  const int64_t soon_us = scene_.now_us() + kMicrosPerMilli;
  if (!subscribed_) return std::min(next_us, std::max(again_us_, soon_us));
  for (const Todo& todo : todo_) {
    next_us = std::min(next_us, std::max({todo.due_us, again_us_, soon_us}));
  }
  if (scene_.healed) next_us = std::min(next_us, std::max(look_us_, soon_us));
  return next_us;
}

std::string Handler::state() const {
  return "handler " + std::to_string(number_) + " of " + group_ + (declared_ ? "" : " undeclared") +
         (subscribed_ ? "" : " unsubscribed") + (asked_ ? " asked" : "") +
         (drained_ ? " drained" : "") + " todo " + std::to_string(todo_.size()) +
         "; was told: " + last_told_;
}

}  // namespace headrace::sim
