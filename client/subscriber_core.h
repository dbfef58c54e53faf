// What a Subscriber decides, without sockets, threads or clocks: deliveries in, events out;
// outcomes in, Settle requests out; replies in, reports out. Private to the subscriber.
//
// One thread at a time: SubscriberLink calls it under its mutex.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/subscriber.h"

namespace headrace::client {

// More would only make the requests smaller.
constexpr size_t kSettlesInFlight = 4;
constexpr size_t kOutcomesPerRequest = 1'000;
constexpr size_t kOutcomeTextMax = 1'024;
constexpr size_t kRequestTextBytes = 256 * 1024;  // error texts of one request

class SubscriberCore {
 public:
  struct Request {
    uint64_t number = 0;    // 0: nobody waits for the answer
    proto::Settle message;  // without its subscription
  };

  // A membership begins; what an earlier one handed out is over.
  void on_subscribed();
  // It has ended: what is queued is dropped, what was not sent is reported with the error.
  void on_lost(const Error& why);
  // Error: bytes that are not this protocol. Events that cannot be read are rejected by themselves.
  Error on_delivery(const proto::GroupDelivery& delivery, const SharedBytes& payload,
                    int64_t now_us);

  bool next(Delivered* delivered);  // false: none is queued
  bool has_next() const { return !queue_.empty(); }

  // What is queued waits for who handles what is in front of it: its deadline begins again when
  // a quarter of it is over. Nobody is told of that, nor if the broker does not take it.
  void extend_queued(int64_t now_us);

  void settle(const Delivered& delivered, proto::Verdict verdict, std::string_view error,
              std::optional<int64_t> delay_ms);

  // The next request to send, if there is one and not too many are under way.
  std::optional<Request> take();
  // Its answer: codes of its outcomes, or an error for all of them.
  void on_settled(uint64_t number, const Error& error, const proto::SettleOk& ok);
  // The broker said "later": its outcomes wait for a further take().
  void put_back(uint64_t number);

  std::vector<Settled> take_reports() { return std::exchange(reports_, {}); }
  uint64_t open() const { return pending_.size() + sent_.size() + reports_.size(); }

 private:
  struct Held {  // one batch and where its reading stands
    ReceivedBatch batch;
    std::optional<EventReader> reader;  // made by the thread that reads
  };
  struct Range {
    int64_t first_offset;
    int64_t last_offset;
    uint32_t attempt;
  };
  struct Part {
    std::shared_ptr<Held> held;
    uint32_t partition = 0;
    uint32_t lane = 0;
    int64_t deadline_us = 0;
    int64_t allowed_us = 0;     // from one deadline to the next
    std::vector<Range> ranges;  // ascending; the first is the next
    size_t at = 0;
  };

  static proto::Outcome outcome_of(const Part& part, const Range& range, proto::Verdict verdict);
  void reject_rest(const Part& part, const std::string& why);
  Request take_extensions();
  void add(proto::Outcome outcome);
  void order_pending();
  void report(const proto::Outcome& outcome, const Error& error);

  bool live_ = false;
  uint64_t incarnation_ = 0;
  std::deque<Part> queue_;
  std::vector<proto::Outcome> pending_;
  std::vector<proto::Outcome> extensions_;                // of what is queued
  std::map<uint64_t, std::vector<proto::Outcome>> sent_;  // by request number
  uint64_t next_number_ = 1;
  std::vector<Settled> reports_;
};

}  // namespace headrace::client
