// Clients that publish: with and without a producer id.
#pragma once

#include <deque>

#include "tests/sim/publish.h"

namespace headrace::sim {

// Sends each event once, whatever happens to it; several publishes on their way.
class Publisher final : public Client {
 public:
  explicit Publisher(Scene* scene, uint32_t tenant = 0);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override { left_ += events; }
  bool finished() const override { return left_ == 0 && wire_.outstanding() == 0; }
  std::string state() const override;

 private:
  Publish next(SimTopic& topic);
  void on_outcome(const Outcome& outcome);

  Wire wire_;
  uint32_t left_ = 0;
  uint64_t next_number_ = 0;
  int64_t pause_until_us_ = 0;
};

// Sends to one partition until it knows that the events are there, exactly once.
class IdempotentPublisher final : public Client {
 public:
  explicit IdempotentPublisher(Scene* scene, uint32_t tenant = 0);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override { left_ += events; }
  bool finished() const override { return left_ == 0 && pending_.empty(); }
  std::string state() const override;

 private:
  static constexpr size_t kWindow = 4;  // the broker knows the last five again

  bool choose_lane();
  void ask_for_id();
  void plan();
  void send_next();
  void on_outcome(int32_t sequence, const Outcome& outcome);
  void on_refused(bool first, const Outcome& outcome);
  void begin_anew();
  void give_up();

  Wire wire_;
  Lane lane_;
  int64_t id_ = -1;
  int32_t epoch_ = 0;
  bool asking_ = false;
  int32_t next_sequence_ = 0;
  uint64_t next_number_ = 0;
  uint32_t left_ = 0;
  struct Pending {
    Publish publish;
    bool maybe_there = false;  // was sent, and what came of it is not known
  };
  std::deque<Pending> pending_;  // not known to be there
  size_t sent_ = 0;              // of pending_
  size_t outstanding_ = 0;
  bool again_ = false;      // something failed: everything pending is sent again
  bool forgotten_ = false;  // the broker does not know the producer any more
  int64_t pause_until_us_ = 0;
};

}  // namespace headrace::sim
