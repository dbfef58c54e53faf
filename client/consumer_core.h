// The part of a Consumer that lives on the client's I/O thread. What both threads touch (the queue
// of batches, the handled positions, the error) is under one mutex. Private to consumer.cc.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "client/consumer.h"
#include "client/group_member.h"

namespace headrace::client {

class ConsumerCore : public std::enable_shared_from_this<ConsumerCore>,
                     private GroupMember::Listener {
 public:
  ConsumerCore(Client* client, ConsumerOptions options, uint32_t partitions);

  void start();                                  // I/O thread
  void stop();                                   // I/O thread; no callback has an effect after it
  void commit(std::function<void(Error)> done);  // I/O thread
  void leave(std::function<void()> done);        // I/O thread

  Result<std::optional<ReceivedBatch>> poll(int64_t wait_ms);  // application thread
  void handled(uint32_t partition, int64_t next_offset);       // application thread
  bool assigned();                                             // application thread

  const bool has_group;

 private:
  struct Lane {
    int64_t next_offset = -1;  // to ask for; -1: not resolved yet
    uint64_t token = 0;        // of this assignment: replies to an earlier one are dropped
    bool asking = false;
    uint32_t subscription = 0;
    bool subscribed = false;  // the broker has said so
    uint64_t buffered = 0;
  };

  void on_assignment(std::vector<GroupMember::Assigned> assigned,
                     std::function<void()> adopted) override;
  void on_group_error(Error error) override { fail(std::move(error)); }

  void own(const std::vector<GroupMember::Assigned>& assigned);
  void open_lane(uint32_t partition, int64_t offset);
  void close_lane(uint32_t partition);
  Lane* lane(uint32_t partition, uint64_t token);  // nullptr: no longer ours
  void resolve(uint32_t partition, const proto::Position& at);
  void pump(uint32_t partition);
  void fetch(uint32_t partition, Lane* lane);
  void on_fetched(uint32_t partition, uint64_t token, const Error& error,
                  const net::native::Frame& frame);
  void subscribe(uint32_t partition, Lane* lane);
  void on_delivery(uint32_t partition, uint64_t token, const proto::Delivery& delivery,
                   const SharedBytes& payload);
  void on_read_error(uint32_t partition, const Error& error);
  bool accept(uint32_t partition, Lane* lane, const SharedBytes& bytes, int64_t append_time_us,
              int64_t last_offset);
  template <class Reply>
  bool accept_all(uint32_t partition, Lane* lane, const Reply& reply, const SharedBytes& payload,
                  int64_t last_offset);
  void taken(uint32_t partition, uint64_t token, uint64_t bytes);
  void pump_later(uint32_t partition, int64_t delay_ms);
  void commit_soon();
  void on_commit_reply(const std::map<uint32_t, int64_t>& offsets, const Error& error);
  void fail(Error error);

  Client* const client_;
  const ConsumerOptions options_;
  const uint32_t partitions_;
  std::shared_ptr<GroupMember> member_;
  std::map<uint32_t, Lane> lanes_;
  uint64_t next_token_ = 1;
  bool stopped_ = false;
  Backoff backoff_;
  Loop::TimerId commit_timer_{};
  bool committing_ = false;
  std::vector<std::function<void(Error)>> commit_waiters_;  // for the one after this one

  struct Queued {
    ReceivedBatch batch;
    uint64_t token = 0;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Queued> queue_;
  std::map<uint32_t, int64_t> handled_;  // since the last commit
  std::map<uint32_t, int64_t> owned_;    // partitions assigned, and where each began
  bool assigned_ = false;
  Error error_;
};

}  // namespace headrace::client
