// Clients that read: by long poll and by push.
#pragma once

#include <map>

#include "tests/sim/publish.h"

namespace headrace::sim {

// Reads every partition of one topic from its start, over and over waiting for more.
class Reader final : public Client {
 public:
  Reader(Scene* scene, SimTopic* topic);
  void step() override;
  int64_t next_us() const override;

 private:
  struct Place {
    int64_t offset = -1;  // -1: wherever the log starts
    bool asked = false;
    int64_t again_us = 0;
  };
  void ask_start(uint32_t partition);
  void fetch(uint32_t partition);
  void on_fetched(uint32_t partition, const Reply& reply);

  Wire wire_;
  SimTopic& topic_;
  std::map<uint32_t, Place> places_;
};

// Subscribes to every partition of one topic and gives credit as it reads.
class Subscriber final : public Client {
 public:
  Subscriber(Scene* scene, SimTopic* topic);
  void step() override;
  int64_t next_us() const override;

 private:
  struct Place {
    int64_t offset = -1;
    uint32_t subscription = 0;  // 0: not subscribed
    bool asked = false;
    int64_t again_us = 0;
  };
  void subscribe(uint32_t partition);
  void on_push(const Reply& reply);
  void unsubscribe_all();

  Wire wire_;
  SimTopic& topic_;
  std::map<uint32_t, Place> places_;
  uint32_t next_subscription_ = 1;
};

}  // namespace headrace::sim
