// The insides of a Producer. Batches are built by the application thread under the mutex (also by
// the linger timer), then handed to the I/O thread, which owns them until their acknowledgement.
// Private to producer.cc.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "client/producer.h"

namespace headrace::client {

// More would exceed what the broker remembers of a producer for recognising repetitions.
constexpr size_t kMaxInFlightPerPartition = 5;

class ProducerCore : public std::enable_shared_from_this<ProducerCore> {
 public:
  ProducerCore(Client* client, ProducerOptions options, Producer::AckFunction acked,
               const proto::Topic& topic, const proto::InitProducerOk& id);

  Error publish(const storage::EventFields& event, uint64_t token,
                std::optional<uint32_t> partition);  // application thread
  Error flush();                                     // application thread
  void stop();                                       // I/O thread; no callback after it

 private:
  struct Batch {
    SharedBytes bytes;
    proto::Summary summary;  // of a compressed batch
    std::vector<uint64_t> tokens;
    int64_t deadline_us = 0;
    enum class State { sent, acked, refused } state = State::sent;
    uint64_t number = 0;  // of this sending
    int32_t first_sequence = 0;
    Error refusal;                // refused: the last one
    bool maybe_stored = false;    // what came of an earlier sending is not known
    proto::PublishBatchOk reply;  // acked
    int64_t due_us = 0;           // acked and delayed
    std::vector<std::string> ids;
  };
  struct Lane {
    // Under the mutex.
    storage::BatchBuilder builder;
    storage::Summary summary;
    std::vector<uint64_t> tokens;
    int64_t opened_us = 0;
    int16_t epoch = 0;  // of the producer in this partition
    int32_t next_sequence = 0;
    std::deque<Batch> sealed;  // taken by the I/O thread
    // The I/O thread's.
    std::deque<Batch> waiting;    // to be sent, in order
    std::deque<Batch> in_flight;  // sent, in order; front is the oldest
    bool repeating = false;       // a batch was refused for now: wait for the rest, then send again
    uint32_t retry_after_ms = 0;
  };

  uint32_t choose(const storage::EventFields& event);
  void seal(uint32_t partition);  // under the mutex
  void summarize(Lane* lane, const storage::EventFields& event);
  void wake_io();
  void linger();
  void pump();
  void send(uint32_t partition, Batch batch);
  bool delays() const { return options_.delay_ms || options_.due_us; }
  proto::Publish delayed_request(uint32_t partition, const Batch& batch,
                                 std::string* payload) const;
  static Error take_results(const net::native::Frame& frame, Batch* batch);
  void on_reply(uint32_t partition, uint64_t number, const Error& error,
                const net::native::Frame& frame);
  bool on_refused(Lane* lane, Batch* batch, const Error& error);
  void after_refusals(uint32_t partition);
  bool may_begin_anew(const Lane& lane) const;
  bool begin_anew(Lane* lane);
  void repeat_later(uint32_t partition);
  void repeat(uint32_t partition);
  void finish_front(uint32_t partition, const Error& error);
  void fail_all(const Error& error);

  Client* const client_;
  const ProducerOptions options_;
  const Producer::AckFunction acked_;
  const proto::InitProducerOk id_;
  std::vector<Lane> lanes_;  // by partition
  bool stopped_ = false;
  uint64_t next_number_ = 0;
  Backoff backoff_;
  Loop::TimerId linger_timer_{};

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t unacked_bytes_ = 0;  // in builders, queues and in flight
  bool io_woken_ = false;
  Error error_;
  uint32_t turn_ = 0;  // partition of events without a key
};

}  // namespace headrace::client
