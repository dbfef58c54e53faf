// Clients that publish events of a type of their own, which has a schema and a mode of validation:
// some events match it, some do not. The mode never changes: what is promised of an event follows
// from it.
#pragma once

#include <vector>

#include "tests/sim/publish.h"

namespace headrace::sim {

class SchemaPublisher final : public Client {
 public:
  explicit SchemaPublisher(Scene* scene, uint32_t tenant = 0);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override { left_ += events / 2; }
  bool finished() const override { return left_ == 0 && wire_.outstanding() == 0; }
  std::string state() const override;

 private:
  struct Event {
    Value value;
    bool matches = true;
    std::string text;
  };
  struct Sent {
    Publish::Form form = Publish::Form::events;
    Lane lane;
    Durability durability = Durability::durable;
    bool delayed = false;
    std::vector<Event> events;
  };

  void register_type();
  Sent draw(const SimTopic& topic);
  void send(const Sent& sent);
  void send_events(const Sent& sent);
  void send_batch(const Sent& sent);
  void on_failed(const Sent& sent, const Reply& reply);
  void on_results(const Sent& sent, const proto::PublishOk& ok);
  void on_batch(const Sent& sent, const proto::PublishBatchOk& ok);
  bool may_refuse(const Sent& sent) const;

  Wire wire_;
  const std::string type_;
  const Typed::Mode mode_;
  bool registered_ = false;
  bool asked_ = false;
  uint32_t left_ = 0;
  uint64_t next_number_ = 0;
  uint32_t delayed_ = 0;
  int64_t pause_until_us_ = 0;
};

}  // namespace headrace::sim
