// Reads a topic: all its partitions from a position, or as a member of a positional group the ones
// it is assigned. Batches are fetched ahead (long poll) or pushed against credit, and kept up to a
// bound per partition.
//
// Threads: one application thread calls the functions; the rest happens on the client's I/O thread.
// At least once: what was polled but not marked handled comes again after a rebalance or a restart.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/client.h"
#include "client/received.h"

namespace headrace::client {

struct ConsumerOptions {
  std::string topic;
  std::string group;     // empty: every partition, nothing is committed
  proto::Position from;  // for a group: where it has no commit. Unset: earliest
  bool push = false;     // subscribe with credit instead of fetching
  uint32_t fetch_bytes = 1u << 20;
  uint64_t buffer_bytes = 4u << 20;  // per partition; also the credit
  int64_t fetch_wait_ms = 5'000;
  int64_t commit_interval_ms = 1'000;
  uint32_t session_timeout_ms = 10'000;
};

class ConsumerCore;

class Consumer {
 public:
  // Looks the topic up and starts reading.
  static Result<std::unique_ptr<Consumer>> open(Client& client, ConsumerOptions options);
  ~Consumer();  // as close(), but does not wait for commits
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // The next batch, or none after wait_ms without one. An error ends the consumer.
  Result<std::optional<ReceivedBatch>> poll(int64_t wait_ms);

  // Everything of the partition before `next_offset` is done with. Groups: committed once per
  // commit interval, before a partition is given up, by commit() and by close().
  void handled(uint32_t partition, int64_t next_offset);
  Error commit();  // blocks until what was handled is committed
  Error close();   // commits and leaves the group

  // False until a group has answered with an assignment (which may be empty).
  bool assigned() const;

  const proto::Topic& topic() const { return topic_; }

 private:
  Consumer(Client* client, proto::Topic topic, std::shared_ptr<ConsumerCore> core);

  Client* client_;
  proto::Topic topic_;
  std::shared_ptr<ConsumerCore> core_;
  bool closed_ = false;
};

}  // namespace headrace::client
