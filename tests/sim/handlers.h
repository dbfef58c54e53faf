// Members of acked groups: they handle what is pushed to them, now well, now badly, now not at all.
// Some events are poison: they fail whenever they are tried. Now and then one looks at the dead
// letters and removes them; where their quota is small, the group would not go on otherwise.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "tests/sim/publish.h"

namespace headrace::sim {

class Handler final : public Client {
 public:
  Handler(Scene* scene, SimTopic* topic);
  void step() override;
  int64_t next_us() const override;
  void give(uint32_t events) override;
  std::string state() const override;

  SimTopic& topic() const { return topic_; }
  // Nothing of the topic is neither acked nor dead, as the broker says.
  bool drained() const { return drained_; }
  void collect();  // reads the dead letters, then tells the judge how the group ended
  bool collected() const { return collected_; }

  static constexpr uint32_t kMaxRetries = 2;
  static constexpr uint32_t kWindowMost = 60;  // events that a member has at a time

 private:
  struct Todo {
    int64_t due_us = 0;
    proto::Outcome outcome;
  };

  void declare();
  void subscribe();
  void on_push(const Reply& reply);
  void on_event(uint32_t partition, uint32_t job, const Seen& seen, uint32_t attempt);
  void decide(uint32_t partition, uint32_t job, const Seen& seen, uint32_t attempt);
  bool settle_some();
  void ask_how_it_stands();
  void enable();
  void list(const std::string& cursor, std::function<void()> then);
  void count_letters();
  void purge(const std::string& token);
  void end_collecting();
  void start_again();
  // handler_jobs.cc
  void change_jobs();
  void start_replay();
  void start_redrive();
  void redrive_listed();
  void control_job(const std::string& job, const char* action);
  void list_jobs(std::function<void(const proto::ListJobsOk&)> then);
  void ask_for_jobs();  // all ended: then it is drained
  void tell_of_jobs();  // how the completed ones ended
  bool gone() const { return topic_.deleted || scene_.gone({topic_.name, 0}); }

  Wire wire_;
  SimTopic& topic_;
  const std::string group_;
  bool declared_ = false;
  bool subscribed_ = false;
  bool asked_ = false;
  bool leaving_ = false;
  bool drained_ = false;
  bool purging_ = false;  // shall, as soon as it is free
  bool collecting_ = false;
  bool collected_ = false;
  uint32_t subscription_ = 0;
  int64_t again_us_ = 0;
  int64_t look_us_ = 0;
  std::deque<Todo> todo_;
  std::vector<std::string> listed_;         // dead letters, by the last list()
  std::map<uint32_t, int64_t> seen_ends_;   // by partition: of what was delivered live
  std::map<std::string, JobDone> replays_;  // started, by id
  std::string last_job_;
  int64_t job_us_ = 0;  // when to think of jobs again
  std::string last_told_;
};

}  // namespace headrace::sim
