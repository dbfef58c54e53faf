// Members of a positional group: join, heartbeat, read what is theirs, commit, sometimes leave or
// fall silent.
#pragma once

#include <map>

#include "tests/sim/publish.h"

namespace headrace::sim {

class Member final : public Client {
 public:
  Member(Scene* scene, SimTopic* topic);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override;
  std::string state() const override;

  const std::string& group() const { return group_; }
  const SimTopic& topic() const { return topic_; }

 private:
  struct Place {
    int64_t next = 0;
    int64_t committed = -1;  // as this member knows
    int64_t again_us = 0;
  };
  using Bounds = std::map<uint32_t, int64_t>;

  void join();
  void heartbeat();
  void leave();
  bool commit_one();
  bool fetch_one();
  void fetch(uint32_t partition);
  void seek_start(uint32_t partition);
  void commit(uint32_t partition);
  template <class Ok>
  void take_assignment(const Ok& ok, const Bounds& bounds, int64_t asked_us);
  void believe(int64_t until_us);
  void on_refused(const Reply& reply);
  Bounds bounds() const;

  Wire wire_;
  SimTopic& topic_;
  const std::string group_;
  const int64_t session_timeout_us_;
  std::string name_;  // given by the broker
  bool joined_ = false;
  uint32_t epoch_ = 0;
  uint32_t generation_ = 0;
  int64_t heartbeat_us_ = 0;
  int64_t silent_until_us_ = 0;
  bool leaving_ = false;
  bool asked_ = false;
  int64_t again_us_ = 0;
  std::map<uint32_t, Place> places_;
};

}  // namespace headrace::sim
