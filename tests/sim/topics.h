// The client that makes the topics, deletes some of them, and reads everything at the end.
#pragma once

#include <map>

#include "tests/sim/publish.h"

namespace headrace::sim {

class TopicClient final : public Client {
 public:
  explicit TopicClient(Scene* scene);
  void step() override;
  int64_t next_us() const override;
  bool finished() const override;
  std::string state() const override;

  void delete_one();       // deletes a topic, soon
  void read_everything();  // what `finished` then waits for
  const std::map<Lane, int64_t>& ends() const { return ends_; }

 private:
  void create(SimTopic& topic);
  void set_quota();
  void remove(SimTopic& topic);
  void read_on();
  void on_fetched(const Reply& reply);

  Wire wire_;
  bool asked_ = false;
  bool quota_set_ = false;
  int64_t again_us_ = 0;
  SimTopic* to_delete_ = nullptr;
  std::vector<Final> logs_;  // the last one is being read
  std::vector<Lane> to_read_;
  bool reading_ = false;
  std::map<Lane, int64_t> ends_;
};

}  // namespace headrace::sim
