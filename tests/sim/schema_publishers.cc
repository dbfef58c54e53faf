#include "tests/sim/schema_publishers.h"

#include <algorithm>

#include "broker/core/error.h"
#include "storage/batch.h"

namespace headrace::sim {
namespace {

constexpr int64_t kTypedPauseUs = 100 * kMicrosPerMilli;
constexpr size_t kTypedOutstanding = 4;
constexpr int64_t kTypedDelayUs = 20 * kMicrosPerSecond;
constexpr const char* kTextSchema = R"({"type": "string"})";
constexpr auto kRefused = static_cast<uint32_t>(core::ErrorCode::schema_violation);

std::string word_of(Typed::Mode mode) {
  static constexpr const char* kWords[] = {"off", "advisory", "enforce", "dead-letter"};
  return kWords[static_cast<size_t>(mode)];
}

// One that matters most of the time.
Typed::Mode draw_mode(test::Prng& prng) {
  return prng.chance(0.6) ? Typed::Mode::dead_letter : static_cast<Typed::Mode>(prng.below(3));
}

proto::Durability durability_of(Durability durability) {
  return durability == Durability::durable ? proto::DURABLE : proto::WRITTEN;
}

}  // namespace

SchemaPublisher::SchemaPublisher(Scene* scene, uint32_t tenant)
    : Client(scene, tenant),
      wire_(&scene->world, "schemas-" + std::to_string(number_), tenant_),
      type_("typed." + std::to_string(number_)),
      mode_(draw_mode(scene->prng())) {}

void SchemaPublisher::register_type() {
  asked_ = true;
  proto::RegisterSchema message;
  message.set_type(type_);
  message.set_mode(word_of(mode_));
  wire_.ask(MessageType::register_schema, message, kTextSchema, [this](const Reply& reply) {
    asked_ = false;
    registered_ = reply.ok();
    if (!reply.ok()) pause_until_us_ = scene_.now_us() + kTypedPauseUs;
    if (reply.kind == Reply::Kind::refused && !reply.error.retryable()) {
      scene_.judge.complain("a schema was refused: " + reply.error.message());
    }
  });
}

// A text in quotes matches; the same without them is no JSON. Delayed ones are producers of their
// own: they are not in the order of sending.
SchemaPublisher::Sent SchemaPublisher::draw(const SimTopic& topic) {
  auto& prng = scene_.prng();
  Sent sent;
  sent.form = static_cast<Publish::Form>(prng.below(4));
  sent.lane = {topic.name, static_cast<uint32_t>(prng.below(topic.partitions))};
  sent.durability = prng.chance(0.7) ? Durability::durable : Durability::written;
  sent.delayed = sent.form == Publish::Form::events && prng.chance(0.2);
  const auto count = std::min(left_, static_cast<uint32_t>(prng.between(1, 6)));
  for (uint32_t i = 0; i < count; ++i) {
    Event event;
    event.value =
        sent.delayed ? Value{number_ * 1'000'000 + ++delayed_, 0} : Value{number_, next_number_++};
    event.matches = !prng.chance(0.3);
    event.text = value_text(event.value, prng.below(60), topic.name);
    if (event.matches) event.text = '"' + event.text + '"';
    sent.events.push_back(std::move(event));
  }
  left_ -= count;
  return sent;
}

void SchemaPublisher::send(const Sent& sent) {
  for (const Event& event : sent.events) {
    scene_.judge.tell(&Checker::on_typed, Typed{sent.lane, event.value, mode_, event.matches});
  }
  const bool batch = sent.form == Publish::Form::batch || sent.form == Publish::Form::compressed;
  batch ? send_batch(sent) : send_events(sent);
}

void SchemaPublisher::send_events(const Sent& sent) {
  proto::Publish message;
  message.set_topic(sent.lane.topic);
  message.set_partition(sent.lane.partition);
  message.set_durability(durability_of(sent.durability));
  message.set_atomic(sent.form == Publish::Form::atomic);
  if (sent.delayed) {
    message.set_due_us(scene_.world.now().wall_us + scene_.prng().between(0, kTypedDelayUs));
  }
  std::string payload;
  for (const Event& event : sent.events) {
    auto* to = message.add_events();
    to->set_type(type_);
    to->set_key(key_text(event.value));
    to->set_value_size(static_cast<uint32_t>(event.text.size()));
    payload += event.text;
  }
  wire_.ask(MessageType::publish, message, payload, [this, sent](const Reply& reply) {
    if (reply.ok()) return on_results(sent, reply.as<proto::PublishOk>());
    on_failed(sent, reply);
  });
}

void SchemaPublisher::send_batch(const Sent& sent) {
  storage::BatchBuilder builder;
  for (const Event& event : sent.events) {
    const std::string key = key_text(event.value);
    const storage::HeaderField type{"ce_type", type_};
    builder.add({.key = key, .value = event.text, .timestamp_ms = 1, .headers = {&type, 1}});
  }
  const bool compressed = sent.form == Publish::Form::compressed;
  const SharedBytes batch = builder.finish(compressed ? storage::Codec::lz4 : storage::Codec::none);
  proto::PublishBatch message;
  message.set_topic(sent.lane.topic);
  message.set_partition(sent.lane.partition);
  message.set_durability(durability_of(sent.durability));
  // Whatever the summary states: it is no way past a schema.
  if (compressed && scene_.prng().chance(0.5)) {
    auto* counted = message.mutable_summary()->add_types();
    counted->set_type("another");
    counted->set_count(static_cast<uint32_t>(sent.events.size()));
  } else if (compressed) {
    message.mutable_summary()->set_types_unknown(true);
  }
  wire_.ask(MessageType::publish_batch, message, batch.view(), [this, sent](const Reply& reply) {
    if (reply.ok()) return on_batch(sent, reply.as<proto::PublishBatchOk>());
    on_failed(sent, reply);
  });
}

// ---- what became of it

bool SchemaPublisher::may_refuse(const Sent& sent) const {
  return mode_ == Typed::Mode::enforce &&
         std::ranges::any_of(sent.events, [](const Event& event) { return !event.matches; });
}

void SchemaPublisher::on_failed(const Sent& sent, const Reply& reply) {
  if (reply.kind == Reply::Kind::lost) {
    const LostConnection lost{number_, next_number_};
    return scene_.judge.tell(&Checker::on_lost_connection, lost);
  }
  const proto::Error& error = reply.error;
  pause_until_us_ = scene_.now_us() + kTypedPauseUs;
  const bool expected = error.code() == kRefused ? may_refuse(sent) : is_expected(error.code());
  if (!expected) scene_.judge.complain("a typed publish was refused: " + error.message());
}

void SchemaPublisher::on_results(const Sent& sent, const proto::PublishOk& ok) {
  for (int i = 0; i < ok.results_size(); ++i) {
    const auto& result = ok.results(i);
    const Event& event = sent.events.at(static_cast<size_t>(i));
    if (result.error_code() == kRefused && (event.matches || mode_ != Typed::Mode::enforce)) {
      scene_.judge.complain("an event was refused by a schema: " + result.error());
    }
    if (result.error_code() != 0 || result.offset() < 0) continue;
    const size_t at = result.id().find('@');
    const auto epoch =
        at == std::string::npos ? 1 : static_cast<uint32_t>(std::stoul(result.id().substr(at + 1)));
    ++scene_.published;
    scene_.judge.tell(&Checker::on_published, Published{sent.lane, event.value, result.offset(),
                                                        sent.durability, false, epoch});
  }
}

void SchemaPublisher::on_batch(const Sent& sent, const proto::PublishBatchOk& ok) {
  for (size_t i = 0; i < sent.events.size(); ++i) {
    ++scene_.published;
    scene_.judge.tell(&Checker::on_published, Published{sent.lane, sent.events[i].value,
                                                        ok.base_offset() + static_cast<int64_t>(i),
                                                        sent.durability, false, ok.epoch()});
  }
}

void SchemaPublisher::step() {
  wire_.step();
  if (wire_.broken()) scene_.judge.complain(wire_.broken_why());
  if (left_ == 0 || asked_ || scene_.now_us() < pause_until_us_) return;
  if (wire_.outstanding() >= kTypedOutstanding || !wire_.ready()) return;
  if (!registered_) return register_type();
  SimTopic* topic = scene_.any_topic(tenant_);
  if (topic == nullptr) return;
  send(draw(*topic));
  if (scene_.prng().chance(0.2)) {
    pause_until_us_ = scene_.now_us() + static_cast<int64_t>(scene_.prng().below(kTypedPauseUs));
  }
}

int64_t SchemaPublisher::next_us() const {
  const bool can = left_ > 0 && !asked_ && wire_.outstanding() < kTypedOutstanding;
  const int64_t mine_us =
      can ? std::max(pause_until_us_, scene_.now_us() + kMicrosPerMilli) : INT64_MAX;
  return std::min(mine_us, wire_.next_us());
}

std::string SchemaPublisher::state() const {
  return "publisher of type " + type_ + " (" + word_of(mode_) + "): " + std::to_string(left_) +
         " to send, " + std::to_string(wire_.outstanding()) + " outstanding";
}

}  // namespace headrace::sim
