#include "client/subscriber_core.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "client/admin.h"
#include "metrics/utf8.h"

namespace headrace::client {
namespace {

Error error_of_code(uint32_t code) {
  if (code == 0) return {};
  if (code == kErrorStaleDelivery) {
    return {code, "stale_delivery",
            "the delivery is over: settled before, or handed out again after its deadline", false,
            0};
  }
  return {code, "refused", "the broker refused the outcome with error " + std::to_string(code),
          false, 0};
}

auto place(const proto::Outcome& outcome) {
  return std::make_tuple(outcome.partition(), outcome.lane(), outcome.attempt(),
                         outcome.first_offset());
}

// Appends `next` to `range` if it has the same fate and follows it.
bool merge(proto::Outcome* range, const proto::Outcome& next) {
  const bool same = range->verdict() == next.verdict() && range->partition() == next.partition() &&
                    range->lane() == next.lane() && range->attempt() == next.attempt() &&
                    range->last_offset() + 1 == next.first_offset() &&
                    range->has_delay_ms() == next.has_delay_ms() &&
                    range->delay_ms() == next.delay_ms() && range->error() == next.error();
  if (same) range->set_last_offset(next.last_offset());
  return same;
}

}  // namespace

// ---- memberships

void SubscriberCore::on_subscribed() {
  live_ = true;
  ++incarnation_;
}

void SubscriberCore::on_lost(const Error& why) {
  live_ = false;
  queue_.clear();
  extensions_.clear();
  for (const auto& outcome : std::exchange(pending_, {})) report(outcome, why);
}

// ---- deliveries

Error SubscriberCore::on_delivery(const proto::GroupDelivery& delivery, const SharedBytes& payload,
                                  int64_t now_us) {
  if (!live_) return {};
  const int batches = delivery.batch_sizes_size();
  const int parts = batches > 0 ? batches : delivery.events_size();
  std::vector<Part> made(static_cast<size_t>(parts));
  for (const auto& range : delivery.acquired()) {
    if (range.batch() >= made.size() || range.last_offset() < range.first_offset()) {
      return bad_reply("a delivery whose ranges do not fit its batches");
    }
    made[range.batch()].ranges.push_back(
        {range.first_offset(), range.last_offset(), range.attempt()});
  }
  size_t at = 0;
  for (int i = 0; i < parts; ++i) {
    const size_t size = batches > 0 ? delivery.batch_sizes(i) : delivery.events(i).value_size();
    if (size > payload.size() - at) return bad_reply("a delivery whose sizes exceed its payload");
    const SharedBytes bytes = payload.slice(at, size);
    at += size;
    Part& part = made[static_cast<size_t>(i)];
    if (part.ranges.empty()) continue;
    part.partition = delivery.partition();
    part.lane = delivery.lane();
    part.allowed_us = delivery.deadline_ms() * 1000;
    part.deadline_us = now_us + part.allowed_us;
    std::ranges::sort(part.ranges, {}, &Range::first_offset);
    const int64_t append_us = i < delivery.append_times_us_size() ? delivery.append_times_us(i) : 0;
    Result<ReceivedBatch> batch =
        batches > 0 ? receive_batch(delivery.partition(), bytes, append_us)
                    : receive_event(delivery.partition(), delivery.events(i), bytes.view());
    if (!batch.ok()) {
      reject_rest(part, batch.error.message);
      continue;
    }
    part.held = std::make_shared<Held>();
    part.held->batch = std::move(batch.value);
    queue_.push_back(std::move(part));
  }
  return {};
}

bool SubscriberCore::next(Delivered* delivered) {
  while (!queue_.empty()) {
    Part& part = queue_.front();
    Held& held = *part.held;
    if (!held.reader) held.reader.emplace(held.batch);
    ReceivedEvent event;
    while (part.at < part.ranges.size() && held.reader->next(&event)) {
      while (part.at < part.ranges.size() && part.ranges[part.at].last_offset < event.offset) {
        ++part.at;
      }
      if (part.at == part.ranges.size()) break;
      if (event.offset < part.ranges[part.at].first_offset) continue;
      delivered->event = event;
      delivered->lane = part.lane;
      delivered->attempt = part.ranges[part.at].attempt;
      delivered->deadline_us = part.deadline_us;
      delivered->keep = part.held;
      delivered->incarnation = incarnation_;
      if (event.offset < part.ranges[part.at].last_offset) {
        part.ranges[part.at].first_offset = event.offset + 1;
      } else if (++part.at == part.ranges.size()) {
        queue_.pop_front();
      }
      return true;
    }
    if (const Error error = held.reader->error()) {
      reject_rest(part, error.message);
    }
    queue_.pop_front();
  }
  return false;
}

void SubscriberCore::extend_queued(int64_t now_us) {
  for (Part& part : queue_) {
    if (part.deadline_us - now_us > part.allowed_us * 3 / 4) continue;
    part.deadline_us = now_us + part.allowed_us;
    for (size_t i = part.at; i < part.ranges.size(); ++i) {
      extensions_.push_back(outcome_of(part, part.ranges[i], proto::EXTEND));
    }
  }
}

proto::Outcome SubscriberCore::outcome_of(const Part& part, const Range& range,
                                          proto::Verdict verdict) {
  proto::Outcome outcome;
  outcome.set_partition(part.partition);
  outcome.set_lane(part.lane);
  outcome.set_first_offset(range.first_offset);
  outcome.set_last_offset(range.last_offset);
  outcome.set_attempt(range.attempt);
  outcome.set_verdict(verdict);
  return outcome;
}

// What cannot be read would come again and again: to the dead letters, where the whole event is.
void SubscriberCore::reject_rest(const Part& part, const std::string& why) {
  for (size_t i = part.at; i < part.ranges.size(); ++i) {
    proto::Outcome outcome = outcome_of(part, part.ranges[i], proto::REJECT);
    outcome.set_error(clean_utf8("cannot be read by the client: " + why, kOutcomeTextMax));
    add(std::move(outcome));
  }
}

// ---- outcomes

void SubscriberCore::settle(const Delivered& delivered, proto::Verdict verdict,
                            std::string_view error, std::optional<int64_t> delay_ms) {
  proto::Outcome outcome;
  outcome.set_partition(delivered.event.partition);
  outcome.set_lane(delivered.lane);
  outcome.set_first_offset(delivered.event.offset);
  outcome.set_last_offset(delivered.event.offset);
  outcome.set_attempt(delivered.attempt);
  outcome.set_verdict(verdict);
  if (!error.empty()) outcome.set_error(clean_utf8(error, kOutcomeTextMax));
  if (delay_ms) outcome.set_delay_ms(*delay_ms);
  if (!live_ || delivered.incarnation != incarnation_) {
    return report(outcome, connection_lost("the connection that it came by is gone: the event "
                                           "comes again"));
  }
  add(std::move(outcome));
}

void SubscriberCore::add(proto::Outcome outcome) {
  if (!pending_.empty() && merge(&pending_.back(), outcome)) return;
  pending_.push_back(std::move(outcome));
}

// Extensions and failures first and as they came; then acks, by place: threads that handle events
// side by side finish them in any order.
void SubscriberCore::order_pending() {
  if (pending_.size() < 2) return;
  const auto is_ack = [](const proto::Outcome& outcome) { return outcome.verdict() == proto::ACK; };
  const auto acks = std::stable_partition(pending_.begin(), pending_.end(), std::not_fn(is_ack));
  std::sort(acks, pending_.end(), [](const auto& a, const auto& b) { return place(a) < place(b); });
  auto last = acks;
  for (auto each = acks; each != pending_.end(); ++each) {
    if (each == last || merge(&*last, *each)) continue;
    if (++last != each) *last = std::move(*each);
  }
  if (last != pending_.end()) pending_.erase(last + 1, pending_.end());
}

std::optional<SubscriberCore::Request> SubscriberCore::take() {
  if (live_ && !extensions_.empty()) return take_extensions();
  if (!live_ || pending_.empty() || sent_.size() >= kSettlesInFlight) return std::nullopt;
  order_pending();
  Request request;
  request.number = next_number_++;
  size_t count = 0;
  for (size_t text = 0; count < pending_.size() && count < kOutcomesPerRequest; ++count) {
    text += pending_[count].error().size();
    if (text > kRequestTextBytes) break;
    *request.message.add_outcomes() = pending_[count];
  }
  const auto end = pending_.begin() + static_cast<ptrdiff_t>(count);
  sent_[request.number].assign(std::make_move_iterator(pending_.begin()),
                               std::make_move_iterator(end));
  pending_.erase(pending_.begin(), end);
  return request;
}

// They do not count as under way: what they are for must not wait for outcomes.
SubscriberCore::Request SubscriberCore::take_extensions() {
  Request request;
  const size_t count = std::min(extensions_.size(), kOutcomesPerRequest);
  const auto end = extensions_.begin() + static_cast<ptrdiff_t>(count);
  request.message.mutable_outcomes()->Add(extensions_.begin(), end);
  extensions_.erase(extensions_.begin(), end);
  return request;
}

void SubscriberCore::on_settled(uint64_t number, const Error& error, const proto::SettleOk& ok) {
  const auto found = sent_.find(number);
  if (found == sent_.end()) return;
  const std::vector<proto::Outcome> outcomes = std::move(found->second);
  sent_.erase(found);
  const bool fits = static_cast<size_t>(ok.error_codes_size()) == outcomes.size();
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (error) {
      report(outcomes[i], error);
    } else if (!fits) {
      report(outcomes[i], bad_reply("settle: not one code for each outcome"));
    } else {
      report(outcomes[i], error_of_code(ok.error_codes(static_cast<int>(i))));
    }
  }
}

void SubscriberCore::put_back(uint64_t number) {
  const auto found = sent_.find(number);
  if (found == sent_.end()) return;
  std::vector<proto::Outcome> outcomes = std::move(found->second);
  sent_.erase(found);
  if (!live_) {
    for (const auto& outcome : outcomes) report(outcome, connection_lost("not taken in time"));
    return;
  }
  pending_.insert(pending_.begin(), std::make_move_iterator(outcomes.begin()),
                  std::make_move_iterator(outcomes.end()));
}

void SubscriberCore::report(const proto::Outcome& outcome, const Error& error) {
  Settled settled;
  settled.error = error;
  settled.partition = outcome.partition();
  settled.lane = outcome.lane();
  settled.first_offset = outcome.first_offset();
  settled.last_offset = outcome.last_offset();
  settled.attempt = outcome.attempt();
  settled.verdict = outcome.verdict();
  reports_.push_back(std::move(settled));
}

}  // namespace headrace::client
