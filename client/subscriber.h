// Takes events of an acked group: the broker hands out each event to one member at a time and keeps
// what became of it (docs/delivery.md). Subscribes again after a broken connection.
//
// Threads: poll() and the outcomes by any thread; `settled` runs on the client's I/O thread and
// must not block. What is delivered and not yet polled is extended while somebody polls at least
// once a deadline. Memory: bounded by the window, counted in events.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/client.h"
#include "client/received.h"

namespace headrace::client {

struct SubscriberOptions {
  std::string group;
  uint32_t window_events = 0;  // deliveries without an outcome, here and on the way; 0: 500
};

// One event to be handled until its deadline. Copies share the bytes.
struct Delivered {
  ReceivedEvent event;  // its views live as long as `keep`
  uint32_t lane = 0;    // above 0: a replay or redrive job
  bool replayed() const { return lane != 0; }
  uint32_t attempt = 1;
  int64_t deadline_us = 0;  // Loop::now_us() when it is over; extend() begins it again
  std::shared_ptr<const void> keep;
  uint64_t incarnation = 0;  // which membership it came by
};

// Outcomes of consecutive events, as the broker took them.
struct Settled {
  Error error;  // set: not taken; those events come again
  uint32_t partition = 0;
  uint32_t lane = 0;
  int64_t first_offset = 0;
  int64_t last_offset = 0;
  uint32_t attempt = 1;
  proto::Verdict verdict = proto::ACK;
};

class SubscriberLink;

class Subscriber {
 public:
  using SettledFunction = std::function<void(const Settled&)>;

  // Blocks until the broker has taken the member in, or refuses it.
  static Result<std::unique_ptr<Subscriber>> open(Client& client, SubscriberOptions options,
                                                  SettledFunction settled = {});
  ~Subscriber();  // as close(), but does not wait
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // The next event, or none after wait_ms without one. An error ends the subscriber.
  Result<std::optional<Delivered>> poll(int64_t wait_ms);

  // Outcomes are gathered into ranges and sent while earlier ones are under way; they are durable
  // when `settled` reports them or flush() returns. Texts are cut to 1,024 bytes.
  void ack(const Delivered& delivered);
  void nack(const Delivered& delivered, std::string_view error,
            std::optional<int64_t> delay_ms = std::nullopt);  // absent: by the group's policy
  void reject(const Delivered& delivered, std::string_view reason);  // to the dead letters
  void extend(const Delivered& delivered);
  void release(const Delivered& delivered);  // unhandled: no attempt is counted

  // Blocks until no outcome is open. The first error since the last flush, if there was one.
  Error flush();
  // Flushes and leaves the group: what has no outcome is released.
  Error close();

  const proto::Topic& topic() const { return topic_; }  // name and id

 private:
  Subscriber(Client* client, proto::Topic topic, std::shared_ptr<SubscriberLink> link);

  Client* client_;
  proto::Topic topic_;
  std::shared_ptr<SubscriberLink> link_;
  bool closed_ = false;
};

}  // namespace headrace::client
