// Acked groups on the load's topic, each with a member. Either they want none of it, by a pattern
// of their own: what they cost is the matcher's business. Or they are given events and never
// answer.
//
// One thread; the members' frames are read by the client library's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/subscriber.h"

namespace headrace::bench {

class Bystanders {
 public:
  enum class Kind : uint8_t { wants_nothing, never_answers };

  Bystanders(client::Client* client, std::string topic, uint32_t groups, Kind kind)
      : client_(client), topic_(std::move(topic)), groups_(groups), kind_(kind) {}

  client::Error declare();
  client::Error join();  // a member for each; they wait from then on
  void leave();
  client::Error remove();

 private:
  std::string name(uint32_t index) const { return topic_ + "-by-" + std::to_string(index); }

  client::Client* const client_;
  const std::string topic_;
  const uint32_t groups_;
  const Kind kind_;
  std::vector<std::unique_ptr<client::Subscriber>> members_;
};

}  // namespace headrace::bench
