// The part of `smoke` that is about acked groups: every outcome once, a dead letter and its way
// back.
#pragma once

#include <memory>
#include <string>

#include "client/subscriber.h"

namespace headrace::cli {

constexpr int64_t kSmokeWaitMs = 10'000;

// What came back is not what was sent.
inline client::Error mismatch(std::string what) {
  return {client::kCodeBadReply, "mismatch", std::move(what)};
}

class SmokeHandlers {
 public:
  // `topic` holds `events` events, in one partition; the group is this run's own.
  SmokeHandlers(client::Client* client, std::string topic, std::string group, size_t events);

  // One after the other; each an error that says what was not as it should be.
  client::Error declare();
  client::Error ack_and_retry();  // the first event fails once
  client::Error dead_letter();    // the last one is rejected
  client::Error redrive();
  client::Error leave();  // whatever was done before

 private:
  client::Result<client::Delivered> next();
  client::Error wait_for_job(const std::string& id);

  client::Client* const client_;
  const std::string topic_;
  const std::string group_;
  const size_t events_;
  bool declared_ = false;
  std::unique_ptr<client::Subscriber> subscriber_;
  std::string letter_;
};

}  // namespace headrace::cli
