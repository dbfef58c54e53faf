// Clients that publish events for later and take some of them back.
#pragma once

#include <deque>

#include "tests/sim/publish.h"

namespace headrace::sim {

class Delayer final : public Client {
 public:
  explicit Delayer(Scene* scene, uint32_t tenant = 0);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override { left_ += events / 2; }
  bool finished() const override;
  std::string state() const override;

 private:
  struct Waiting {
    Lane lane;
    Value value;
    int64_t due_us = 0;
    std::string id;
  };

  void send_one(const SimTopic& topic);
  void on_published(Waiting sent, const Reply& reply);
  void cancel_one();

  Wire wire_;
  uint32_t left_ = 0;
  uint32_t next_ = 0;
  int64_t pause_until_us_ = 0;
  int64_t last_due_us_ = 0;
  std::deque<Waiting> cancellable_;
};

}  // namespace headrace::sim
