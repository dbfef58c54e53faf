// Prints a line for each acknowledged event, in the order the events came in, from a thread of its
// own: neither a slow reader of standard output nor a slow writer of standard input holds up the
// other, or the connection.
//
// add() by the reading thread (blocks while too much waits), acked() by the I/O thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "client/error.h"
#include "client/producer.h"

namespace headrace::cli {

class AckPrinter {
 public:
  AckPrinter(std::string topic, uint32_t topic_id, bool json);
  ~AckPrinter();  // ends the thread; prints nothing more
  AckPrinter(const AckPrinter&) = delete;
  AckPrinter& operator=(const AckPrinter&) = delete;

  // The token of the next event. Empty id: the computed one.
  uint64_t add(std::string_view id, int64_t timestamp_ms);
  void acked(const client::Acked& acked);
  // Waits until everything acknowledged before the first failure is printed. False: nobody reads.
  bool finish();

  uint64_t printed() const { return printed_; }  // after finish()
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::string id;
    int64_t timestamp_ms = 0;
    int64_t offset = 0;
    int64_t due_us = 0;  // delayed: no offset
    bool duplicate = false;
    uint32_t partition = 0;
    uint32_t epoch = 0;
    Durability durability = Durability::durable;
    enum class State : uint8_t { waiting, acked, failed } state = State::waiting;
  };

  void run();
  void format(const Entry& entry, std::string* out) const;

  const std::string topic_;
  const uint32_t topic_id_;
  const bool json_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> entries_;
  uint64_t first_token_ = 0;  // of entries_.front()
  uint64_t printed_ = 0;
  bool idle_ = true;
  bool stop_ = false;
  std::atomic<bool> broken_{false};
  std::thread thread_;
};

}  // namespace headrace::cli
