// What the clients of a run share: the world, the judge, the topics, and what groups have
// committed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/checkers.h"
#include "tests/sim/world.h"

namespace headrace::sim {

constexpr int64_t kDedupWindowMs = 600'000;

struct SimTopic {
  std::string name;  // told apart (tenants.h)
  uint32_t tenant = 0;
  uint32_t partitions = 1;
  bool retention = false;
  bool dedup = false;
  uint32_t dlq_entries = 0;  // quota of its acked group; 0: the default
  bool by_key = false;       // its acked group orders by key
  bool created = false;
  bool deleted = false;
};

struct Scene {
  World& world;
  Judge& judge;
  std::vector<SimTopic> topics;
  // Acknowledged commits: group, partition → the highest.
  std::map<std::pair<std::string, uint32_t>, int64_t> positions;
  uint32_t next_client = 1;
  bool healed = false;     // no more faults come, clients finish
  uint64_t published = 0;  // acknowledged events
  uint64_t resent = 0;     // acknowledged to have been there already
  uint64_t read = 0;       // events that readers saw
  uint64_t delayed = 0;    // acknowledged to be delayed
  uint64_t cancelled = 0;  // of those
  uint64_t repeated = 0;   // recognised by their id
  uint64_t handled = 0;    // deliveries to members of acked groups
  uint64_t purged = 0;     // dead letters
  uint64_t jobs = 0;       // of acked groups, completed and judged
  uint64_t kept_back = 0;  // letters of events that do not match their schema, each time listed
  uint64_t flooded = 0;    // publishes while all tenants publish what they can

  test::Prng& prng() { return world.prng(); }
  int64_t now_us() const { return world.now().mono_us; }
  // A topic of the tenant that exists; nullptr while there is none.
  SimTopic* any_topic(uint32_t tenant = 0) {
    std::vector<SimTopic*> usable;
    for (SimTopic& topic : topics) {
      if (topic.tenant == tenant && topic.created && !topic.deleted) usable.push_back(&topic);
    }
    return usable.empty() ? nullptr : usable[prng().below(usable.size())];
  }
  bool gone(const Lane& lane) const { return judge.forgotten(lane); }
};

// A client that can be told to do some more, and knows when it has done everything.
class Client : public Actor {
 public:
  explicit Client(Scene* scene, uint32_t tenant = 0)
      : scene_(*scene), number_(scene->next_client++), tenant_(tenant) {
    scene_.judge.tell(&Checker::on_client, Joined{number_, tenant_});
  }
  virtual void give(uint32_t /*events*/) {}
  virtual bool finished() const { return true; }
  virtual std::string state() const { return "client " + std::to_string(number_); }

 protected:
  Scene& scene_;
  const uint32_t number_;
  const uint32_t tenant_;
};

}  // namespace headrace::sim
