// Acked groups on the load's topic, each with a member. Either they want none of it, by a pattern
// of their own: what they cost is the matcher's business. Or they are given events and never
// answer. Or they take events, and of the last one they ask for more time as fast as they are
// answered: a flood of requests.
//
// One thread; the members' frames are read by the client library's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/subscriber.h"

namespace headrace::bench {

class Bystanders {
 public:
  enum class Kind : uint8_t { wants_nothing, never_answers, floods };

  Bystanders(client::Client* client, std::string topic, uint32_t groups, Kind kind)
      : client_(client), topic_(std::move(topic)), groups_(groups), kind_(kind) {}
  ~Bystanders() { leave(); }

  client::Error declare();
  client::Error join();  // a member for each; they wait from then on
  void leave();
  uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }  // of floods
  client::Error remove();

 private:
  void flood(client::Subscriber* member);

  std::string name(uint32_t index) const { return topic_ + "-by-" + std::to_string(index); }

  client::Client* const client_;
  const std::string topic_;
  const uint32_t groups_;
  const Kind kind_;
  std::vector<std::unique_ptr<client::Subscriber>> members_;
  std::vector<std::thread> floods_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> requests_{0};
};

}  // namespace headrace::bench
