// Membership of one consumer in one positional group: joins, beats, follows assignments, joins
// again after it was dropped.
//
// Lives on the client's I/O thread, all of it. Shared, because replies may still come after its
// owner let go; stop() makes them harmless.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/client.h"

namespace headrace::client {

class GroupMember : public std::enable_shared_from_this<GroupMember> {
 public:
  struct Assigned {
    uint32_t partition = 0;
    int64_t committed = -1;  // next offset to read; -1: none committed
  };
  class Listener {
   public:
    virtual ~Listener() = default;
    // The whole assignment. Stop reading what is not in it, commit it, then call `adopted`: only
    // then may other members have it.
    virtual void on_assignment(std::vector<Assigned> assigned, std::function<void()> adopted) = 0;
    virtual void on_group_error(Error error) = 0;  // membership is over
  };

  GroupMember(Client* client, Listener* listener, std::string group, std::string topic,
              uint32_t session_timeout_ms);

  void start();
  void stop();                             // no callback after it
  void leave(std::function<void()> done);  // and stop
  // Who commits: group, topic, member, epoch, generation.
  proto::CommitOffsets commit_request() const;
  // A commit was answered "unknown member": joins again.
  void on_forgotten();

 private:
  void join();
  void on_joined(const Error& error, const net::native::Frame& frame);
  void beat_after(int64_t delay_ms);
  void beat();
  void on_beat(const Error& error, const net::native::Frame& frame);
  void join_after_pause();
  template <class Reply>
  bool differs(const Reply& reply) const;
  template <class Reply>
  void take(const Reply& reply);

  Client* const client_;
  Listener* const listener_;
  const std::string group_;
  const std::string topic_;
  const uint32_t session_timeout_ms_;
  std::string member_;
  uint32_t epoch_ = 0;
  uint32_t generation_ = 0;
  uint32_t heartbeat_ms_ = 3000;
  std::set<uint32_t> partitions_;  // of the assignment taken last
  bool adopting_ = false;
  bool stopped_ = false;
  Backoff backoff_;
  Loop::TimerId timer_{};
};

}  // namespace headrace::client
