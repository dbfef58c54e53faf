// Publishes that wait because the set being written is full. Those of one tenant keep their order;
// between tenants the one goes first that was given the least for its weight (start-time fair
// queueing): a tenant that floods waits behind itself.
//
// A tenant that comes after a while begins where the others are: what it did not use is not saved
// up. Lives on: the shard's reactor, inside its objects.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "broker/core/api.h"

namespace headrace::core {

class PublishQueue {
 public:
  struct Waiting {
    RequestPtr request;
    int64_t bytes = 0;
    uint32_t weight = 1;  // of its tenant
  };

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  void push(TenantId tenant, Waiting waiting);
  Waiting pop();  // not empty
  // Takes everything, in no order that matters.
  std::deque<RequestPtr> take_all();

 private:
  struct Line {
    std::deque<Waiting> waiting;
    double weight = 1;
    double start = 0;  // of its first, on a scale that all lines have in common: bytes by weight
  };

  std::map<TenantId, Line> lines_;  // of tenants that wait, or were served since it was empty
  std::set<std::pair<double, TenantId>> order_;  // lines that are not empty, by start
  double now_ = 0;                               // start of the one that went last
  size_t size_ = 0;
};

}  // namespace headrace::core
