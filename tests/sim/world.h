// One simulated world: a network, a disk, and a node of production reactors and native servers on
// them. The only thing simulated is what is outside: sockets, time and the store. Single-threaded;
// what runs when is decided by the Prng.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/native/server.h"
#include "broker/runtime/fabric.h"
#include "broker/runtime/reactor.h"
#include "storage/mem_store.h"
#include "tests/sim/options.h"
#include "tests/support/prng.h"
#include "tests/support/sim_io.h"

namespace headrace::sim {

// A client of the world: does what it can now, and says when it wants to do something next.
class Actor {
 public:
  virtual ~Actor() = default;
  virtual void step() = 0;
  virtual int64_t next_us() const = 0;  // monotonic; INT64_MAX: only when bytes arrive
};

class World {
 public:
  explicit World(const Options& options);
  ~World();

  // ---- the node
  void start();
  // Power cut: the reactors are gone, of the unsynced sets a random prefix survives.
  void crash();
  // Drain, stop, start. False if the drain did not end in time.
  bool restart_in_peace();
  bool up() const { return !lanes_.empty(); }
  bool ready() const;
  storage::MemStore& store() { return *store_; }
  size_t reactors() const { return lanes_.size(); }
  runtime::Reactor& reactor(size_t i) { return *lanes_[i]->reactor; }
  uint64_t starts() const { return starts_; }

  // ---- time
  Time now() const { return network_.now(); }
  void add(Actor* actor) { actors_.push_back(actor); }
  void run_for(int64_t us);
  // Until `done` or the time is over; true if done.
  bool run_until(const std::function<bool()>& done, int64_t longest_us);
  // Time passes in steps of `step_us`; the node runs a little after each.
  void skip(int64_t us, int64_t step_us);
  // Called after every pass over the node.
  void watch(std::function<void()> watcher) { watcher_ = std::move(watcher); }

  // ---- for clients
  test::Prng& prng() { return prng_; }
  test::SimNetwork& network() { return network_; }
  std::unique_ptr<test::SimClient> connect();  // nullptr: nobody listens

  // Every frame that reaches a client of a tenant.
  using Listener = std::function<void(uint32_t tenant, std::string_view frame)>;
  void listen(Listener listener) { listener_ = std::move(listener); }
  void heard(uint32_t tenant, std::string_view frame) {
    if (listener_) listener_(tenant, frame);
  }
  // Everything a client hears goes in here: the same seed gives the same number.
  void trace(std::string_view bytes);
  uint64_t trace_hash() const { return trace_hash_; }
  const Options& options() const { return options_; }

 private:
  struct Lane {
    std::unique_ptr<test::SimIo> io;
    std::unique_ptr<runtime::Reactor> reactor;
    std::unique_ptr<native::Server> server;
  };

  void stop();
  void make_month();
  bool pass();  // everybody who can does something; false: nobody could
  void step_store();
  int64_t next_event_us() const;

  const Options options_;
  test::Prng prng_;
  test::SimNetwork network_;
  storage::MemStore::Disk disk_;
  std::unique_ptr<storage::MemStore> store_;
  std::unique_ptr<runtime::Fabric> fabric_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  net::Endpoint endpoint_{"127.0.0.1", 7420};
  std::vector<Actor*> actors_;
  std::function<void()> watcher_;
  Listener listener_;
  int64_t store_step_at_us_ = INT64_MAX;
  uint64_t starts_ = 0;
  uint64_t trace_hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace headrace::sim
