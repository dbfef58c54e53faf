// What the clients of a run saw, told to everybody who judges it. A checker knows nothing of the
// broker: only what was sent, acknowledged and read. Violations end the run.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/types.h"

namespace headrace::sim {

struct Lane {
  std::string topic;  // names are not used twice in a run
  uint32_t partition = 0;
  auto operator<=>(const Lane&) const = default;
};
std::string to_string(const Lane& lane);

// Unique in a run: the producer and how many events it had made before.
struct Value {
  uint32_t producer = 0;
  uint64_t number = 0;
  auto operator<=>(const Value&) const = default;
};
std::string to_string(const Value& value);

struct Published {
  Lane lane;
  Value value;
  int64_t offset = 0;
  Durability durability = Durability::durable;
  bool idempotent = false;
  uint32_t epoch = 0;  // as acknowledged: part of computed ids
};
struct Seen {
  Lane lane;
  Value value;
  int64_t offset = 0;
  int64_t append_time_us = 0;
  uint32_t reader = 0;
  uint32_t epoch = 0;  // of the stored batch
  std::string key;     // empty: none
};
// What a fetch says of the ends of a partition.
struct Ends {
  Lane lane;
  int64_t log_start = 0;
  int64_t visible_end = 0;
};
// What a member believes to be its own, until `until_us` unless it hears otherwise.
struct Belief {
  std::string group;
  uint32_t client = 0;
  uint32_t epoch = 0;
  std::set<uint32_t> partitions;
  int64_t now_us = 0;
  int64_t until_us = 0;
};
// The next event that a group reads.
struct Position {
  std::string group;
  uint32_t partition = 0;
  int64_t offset = 0;
};
// An event handed to a member of an acked group.
struct Delivered {
  std::string group;
  Lane lane;
  Value value;
  int64_t offset = 0;
  uint32_t attempt = 1;
  uint32_t attempts_most = 1;
  int64_t now_us = 0;
  uint32_t job = 0;  // of the group; 0: live
  std::string key;   // where the group orders by it
};
// What a member said of it; first when it is sent, then, if so, when it was accepted and durable.
struct HowItEnded {
  std::string group;
  Lane lane;
  int64_t offset = 0;
  uint32_t attempt = 1;
  bool ack = false;
  bool nack = false;
  bool accepted = false;
  int64_t now_us = 0;
  uint32_t job = 0;
  bool reject = false;
  int64_t sent_us = 0;
  int64_t delay_us = 0;  // of a nack: it is not tried again before so much later
};
// One dead letter, and: these were all of them, and nothing else is owed.
struct Dead {
  std::string group;
  Lane lane;
  int64_t offset = 0;
  std::string id;
  uint32_t job = 0;          // in whose lane it died
  uint32_t redriven_by = 0;  // which job took it since
  std::string reason = {};
};
// An event of a type that has a schema; told when it is sent.
struct Typed {
  enum class Mode : uint8_t { off, advisory, enforce, dead_letter };
  Lane lane;
  Value value;
  Mode mode = Mode::off;
  bool matches = true;
};
// A completed job of a group. A replay had this range of one partition.
struct JobDone {
  std::string group;
  uint32_t job = 0;
  bool replay = false;
  Lane lane;
  int64_t from = 0;
  int64_t to = 0;
};
struct Drained {
  std::string group;
  Lane lane;
};
// The whole of a partition at the end of the run.
struct Final {
  Lane lane;
  int64_t log_start = 0;
  std::vector<Value> values;  // from log_start on
};
// What a client did with an event that is not to be there before `due_us`.
struct Delay {
  enum class What : uint8_t { sent, accepted, cancelling, cancelled, cancel_failed } what;
  Lane lane;
  Value value;
  int64_t due_us = 0;  // wall clock of the node
};
// Everything that was due by then is in the log from now on.
struct DueBy {
  int64_t wall_us = 0;
};
// What the node may use at most, and what it uses.
struct Use {
  std::string what;
  uint64_t used = 0;
  uint64_t most = 0;
};

// A client whose number is that of the producer of what it publishes.
struct Joined {
  uint32_t client = 0;
  uint32_t tenant = 0;
};
// What reached a client of a tenant.
struct Heard {
  uint32_t tenant = 0;
  std::string_view frame;
};
// A publish of a tenant that wants to publish more, in the wall time of the node.
struct Waited {
  uint32_t tenant = 0;
  uint32_t weight = 1;
  int64_t bytes = 0;        // as quotas count them
  int64_t arrived_us = 0;   // not later than this
  int64_t appended_us = 0;  // when its turn came
};
// What a reactor gave the acked groups of each tenant in one turn.
struct Turn {
  struct Share {
    uint32_t weight = 1;
    int64_t given = 0;
    bool refused = false;  // wanted more
  };
  size_t reactor = 0;
  uint64_t start = 0;                // of the node: a new one knows nothing of the last
  int64_t most = 0;                  // events of a turn
  int64_t whole = 0;                 // events that are not divided
  std::map<uint32_t, Share> shares;  // of those that wanted some
};

// The connection of a producer without an id ended before all was answered. What it carried may
// still be on its way, and what the producer numbers so or above may overtake it on the next one.
struct LostConnection {
  uint32_t producer = 0;
  uint64_t next_number = 0;
};

class Checker {
 public:
  explicit Checker(std::vector<std::string>* violations) : violations_(*violations) {}
  virtual ~Checker() = default;
  virtual void on_published(const Published&) {}
  // Acknowledged, first or again, under an id of its own on a topic that looks for repetitions.
  virtual void on_repeated(const Published&) {}
  virtual void on_typed(const Typed&) {}
  virtual void on_lost_connection(const LostConnection&) {}
  virtual void on_seen(const Seen&) {}
  virtual void on_reader_jumped(uint32_t /*reader*/, const Lane&) {}
  virtual void on_ends(const Ends&) {}
  virtual void on_belief(const Belief&) {}
  // `at_least` had been acknowledged when the broker was asked.
  virtual void on_told(const Position& /*at_least*/, const Position& /*told*/) {}
  virtual void on_asked_for_rest(const Lane&) {}  // what on_final() tells of goes at least so far
  virtual void on_final(const Final&) {}
  virtual void on_use(const Use&) {}
  virtual void on_delivered(const Delivered&) {}
  virtual void on_outcome(const HowItEnded&) {}
  virtual void on_dead(const Dead&) {}
  virtual void on_drained(const Drained&) {}
  virtual void on_delay(const Delay&) {}
  virtual void on_due_by(const DueBy&) {}
  virtual void on_client(const Joined&) {}
  virtual void on_heard(const Heard&) {}
  virtual void on_waited(const Waited&) {}
  virtual void on_waits_over() {}
  virtual void on_turn(const Turn&) {}
  virtual void on_job_done(const JobDone&) {}  // after all dead letters

 protected:
  void complain(std::string what) {
    if (violations_.size() < 20) violations_.push_back(std::move(what));
  }

 private:
  std::vector<std::string>& violations_;
};

}  // namespace headrace::sim
