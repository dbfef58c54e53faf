// Clients without a producer id that publish the same event again and again, under one id.
#pragma once

#include <deque>

#include "tests/sim/publish.h"

namespace headrace::sim {

class Repeater final : public Client {
 public:
  Repeater(Scene* scene, SimTopic* topic);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override { left_ += events / 2; }
  bool finished() const override {
    return left_ == 0 && pending_.empty() && wire_.outstanding() == 0;
  }
  std::string state() const override;

 private:
  struct Event {
    Lane lane;
    Value value;
    Durability durability = Durability::durable;
    int64_t first_sent_us = 0;
    uint32_t sends_left = 0;
    bool atomic = false;
  };

  void plan();
  void send(const Event& event);
  void on_reply(Event event, const Reply& reply);

  SimTopic& topic_;
  Wire wire_;
  uint32_t left_ = 0;
  uint64_t next_number_ = 0;
  int64_t pause_until_us_ = 0;
  std::deque<Event> pending_;  // to be sent, once more
};

}  // namespace headrace::sim
