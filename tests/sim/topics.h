// The client that makes the topics, deletes some of them, and reads everything at the end.
#pragma once

#include <map>

#include "tests/sim/publish.h"

namespace headrace::sim {

class TopicClient final : public Client {
 public:
  explicit TopicClient(Scene* scene, uint32_t tenant = 0);
  void step() override;
  int64_t next_us() const override;
  bool finished() const override;
  std::string state() const override;

  void delete_one();       // deletes a topic, soon
  void read_everything();  // what `finished` then waits for
  const std::map<Lane, int64_t>& ends() const { return ends_; }

 private:
  void create(SimTopic& topic);
  void prepare();
  void on_prepared(const Reply& reply);
  void create_tenant(uint32_t tenant);
  void set_quotas(uint32_t tenant);
  void remove(SimTopic& topic);
  void read_on();
  void on_fetched(const Reply& reply);

  Wire wire_;
  bool asked_ = false;
  uint32_t prepared_ = 0;  // of the tenants: created, then quotas and weights
  bool is_mine(const SimTopic& topic) const { return topic.tenant == tenant_; }
  bool is_prepared() const;
  int64_t again_us_ = 0;
  SimTopic* to_delete_ = nullptr;
  std::vector<Final> logs_;  // the last one is being read
  std::vector<Lane> to_read_;
  bool reading_ = false;
  std::map<Lane, int64_t> ends_;
};

}  // namespace headrace::sim
