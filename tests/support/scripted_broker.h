// A broker for tests of the client library: one real TCP port, answers the handshake and what a
// producer asks first, and leaves each publish of a batch to the test.
//
// Threads: its own; `answer` runs there. One connection after the other.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "headrace.pb.h"
#include "net/io.h"
#include "net/native/frame.h"
#include "storage/batch.h"

namespace headrace::test {

class ScriptedBroker {
 public:
  struct Answer {
    std::optional<proto::PublishBatchOk> ok;
    proto::Error error;     // if not ok
    bool hangs_up = false;  // instead of an answer
  };
  // Of each publish_batch, in order of arrival.
  using AnswerFunction = std::function<Answer(const storage::BatchHeader&)>;

  static Answer stored(int64_t offset);
  static Answer refused(uint32_t code, bool retryable);
  static Answer hang_up();

  ScriptedBroker(uint32_t partitions, AnswerFunction answer);
  ~ScriptedBroker();
  ScriptedBroker(const ScriptedBroker&) = delete;
  ScriptedBroker& operator=(const ScriptedBroker&) = delete;

  net::Endpoint endpoint() const { return {"127.0.0.1", port_}; }

 private:
  void run();
  void serve(int fd);
  bool answer_one(int fd, const net::native::FrameHeader& header, const SharedBytes& bytes);

  const uint32_t partitions_;
  const AnswerFunction answer_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<int> connection_{-1};
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace headrace::test
