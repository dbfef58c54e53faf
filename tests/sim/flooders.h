// A client that publishes all it can: as soon as one publish is answered the next one is sent, so
// that some of its tenant always wait.
#pragma once

#include "tests/sim/publish.h"

namespace headrace::sim {

class Flooder final : public Client {
 public:
  Flooder(Scene* scene, const SimTopic* topic);
  void flood(uint32_t publishes) {
    left_ = publishes;
    loaded_ = false;
  }
  void step() override;
  int64_t next_us() const override;
  bool finished() const override { return left_ == 0 && wire_.outstanding() == 0; }
  std::string state() const override;

 private:
  void on_outcome(const Outcome& outcome, Waited waited);

  const SimTopic& topic_;
  Wire wire_;
  uint32_t left_ = 0;
  bool loaded_ = false;  // its partition: what waits for that waits for no turn
  uint64_t next_number_ = 0;
};

}  // namespace headrace::sim
