// Publishes many events to one topic: gathers them into record batches per partition (up to a size
// or a linger time), keeps several batches in flight, and reports each batch once the broker has
// acknowledged it.
//
// Order: events of one partition are stored in the order of publish(). Nothing is stored twice:
// each batch carries (producer id, epoch, sequence), so one that is sent again after a broken
// connection or a "busy" is recognised. With durability `memory` the broker may forget what it
// acknowledged, so there a repetition may duplicate.
//
// Threads: publish() and flush() by one application thread; `acked` runs on the client's I/O
// thread. Memory: bounded by window_bytes; publish() blocks while it is full.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "client/client.h"
#include "storage/batch.h"
#include "storage/types.h"

namespace headrace::client {

struct ProducerOptions {
  std::string topic;
  Durability durability = Durability::durable;
  storage::Codec codec = storage::Codec::none;
  size_t batch_bytes = 64 * 1024;  // a batch closes when the next event would exceed it
  int64_t linger_ms = 5;           // or when its first event is this old
  size_t window_bytes = 8u << 20;  // encoded bytes not acknowledged yet, all partitions
  int64_t timeout_ms = 0;          // of each batch, repetitions included; 0: the client's
  // At most one of the two: the events are in the log from then on, not before. They are acked with
  // durability `durable`, whatever is asked for, and not compressed on their way.
  std::optional<int64_t> delay_ms;  // from the broker's clock
  std::optional<int64_t> due_us;    // wall clock
};

// One batch's outcome. `tokens` are what publish() was given, in order; valid during the call.
struct Acked {
  Error error;  // set: none of it is known to be stored
  uint32_t partition = 0;
  int64_t base_offset = 0;
  int64_t append_time_us = 0;
  Durability durability = Durability::durable;
  uint32_t epoch = 0;
  bool duplicate = false;
  std::span<const uint64_t> tokens;
  int64_t due_us = 0;                // delayed: there is no offset yet, but ...
  std::span<const std::string> ids;  // ... each event's id: to cancel it
};

class ProducerCore;

class Producer {
 public:
  using AckFunction = std::function<void(const Acked&)>;

  // Looks the topic up and takes a producer id.
  static Result<std::unique_ptr<Producer>> open(Client& client, ProducerOptions options,
                                                AckFunction acked);
  ~Producer();  // what is not acknowledged yet is abandoned, without a report: flush() first
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Partition: as given, else by the key's hash, else in turn batch by batch. The first error of
  // any batch ends the producer: it is returned from then on.
  Error publish(const storage::EventFields& event, uint64_t token,
                std::optional<uint32_t> partition = std::nullopt);
  // Sends what lingers and blocks until everything is acknowledged or failed.
  Error flush();

  const proto::Topic& topic() const { return topic_; }

 private:
  Producer(Client* client, proto::Topic topic, std::shared_ptr<ProducerCore> core);

  Client* client_;
  proto::Topic topic_;
  std::shared_ptr<ProducerCore> core_;
};

}  // namespace headrace::client
