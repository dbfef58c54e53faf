// Acked groups on the load's topic, each with a waiting member and a pattern of its own that no
// event of the load matches: what they cost publishing is the matcher's business.
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
  Bystanders(client::Client* client, std::string topic, uint32_t groups)
      : client_(client), topic_(std::move(topic)), groups_(groups) {}

  client::Error declare();
  client::Error join();  // a member for each; they wait from then on
  void leave();
  client::Error remove();

 private:
  std::string name(uint32_t index) const { return topic_ + "-by-" + std::to_string(index); }

  client::Client* const client_;
  const std::string topic_;
  const uint32_t groups_;
  std::vector<std::unique_ptr<client::Subscriber>> members_;
};

}  // namespace headrace::bench
