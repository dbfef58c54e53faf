// /v1/groups/{group}/receive: deliveries of an acked group, by long poll (broker/admin/members.h).
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/delivery_handle.h"
#include "broker/admin/routes/event_json.h"
#include "broker/limits.h"
#include "broker/native/decode.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

struct Receiving {
  core::GroupPtr group;
  core::TopicPtr topic;
  uint32_t most = 10;
  int64_t wait_us = 0;
  Admin::WaitSlot slot;
  bool again = false;  // with another member
};
using ReceivingPtr = std::shared_ptr<Receiving>;

core::Error read_receive(const CallPtr& call, Receiving* receiving) {
  Query query(call->request());
  receiving->most = static_cast<uint32_t>(
      query.number("max", 1, static_cast<int64_t>(limits::kHttpDeliveriesMax)).value_or(10));
  receiving->wait_us = call->admin().bounded_wait_us(query.wait_us());
  const core::Error error = query.finish();
  return error ? error : Body(call->request()).finish();
}

// The outcome of ranges that the caller is not told of. If it is not taken, the deadline brings the
// delivery back, and it is tried again.
void settle_here(const CallPtr& call, const core::Acquire& acquired,
                 const std::vector<core::AcquiredRange>& ranges, core::Verdict verdict,
                 const std::string& why) {
  auto request = std::make_unique<core::Settle>(call->tenant());
  request->topic = acquired.topic;
  request->group = acquired.group;
  request->shard = acquired.shard;
  request->member = acquired.member;
  for (const auto& range : ranges) {
    request->outcomes.push_back({acquired.partition,
                                 acquired.lane,
                                 range.first,
                                 range.last,
                                 range.attempt,
                                 verdict,
                                 -1,
                                 why,
                                 {}});
  }
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(request));
  call->admin().ask(std::move(questions), [](std::vector<core::RequestPtr>) {});
}

void add_range(const core::Acquire& acquired, const core::AcquiredRange& range,
               const storage::BatchHeader& header, const storage::RecordView& record,
               std::vector<std::string>* rows) {
  const Offset offset(header.base_offset + record.offset_delta);
  if (offset < range.first || offset > range.last) return;
  const DeliveryHandle handle{acquired.member, acquired.lane, acquired.partition, offset,
                              range.attempt};
  const std::string event = record_json(*acquired.topic, acquired.partition, header, record,
                                        acquired.batches[range.batch].append_time_us);
  rows->push_back("{\"delivery\":\"" + to_string(handle) +
                  "\",\"attempt\":" + std::to_string(range.attempt) + "," + event.substr(1));
}

void answer_received(const CallPtr& call, const core::Acquire& acquired) {
  JsonRows rows;
  for (const auto& range : acquired.acquired) {
    std::string scratch;
    std::vector<std::string> events;
    const core::Error error = native::for_each_record(
        acquired.batches[range.batch].bytes, &scratch, [&](const auto& header, const auto& record) {
          add_range(acquired, range, header, record, &events);
        });
    if (error) {
      // It would come again and again: to the dead letters, where the whole event is.
      settle_here(call, acquired, {range}, core::Verdict::reject,
                  "cannot be decoded for delivery: " + error.message());
      continue;
    }
    for (const std::string& event : events) rows.add_object(event);
  }
  std::string body;
  JsonLine(&body)
      .text("group", acquired.group->name)
      .text("ack_deadline", format_duration_us(acquired.group->options.ack_deadline_us))
      .raw("deliveries", rows.text())
      .end();
  call->reply(200, std::move(body));
}

void receive(const CallPtr& call, const ReceivingPtr& receiving);

void acquire(const CallPtr& call, const ReceivingPtr& receiving, uint64_t member) {
  auto request = call->about<core::Acquire>(receiving->group, receiving->topic);
  request->member = member;
  request->max_events = receiving->most;
  request->max_bytes = limits::kAcquireBytes;
  request->deadline_mono_us = call->request().received_mono_us + receiving->wait_us;
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(request));
  call->admin().ask(std::move(questions), [call, receiving](std::vector<core::RequestPtr> answers) {
    auto& acquired = core::as<core::Acquire>(*answers[0]);
    Members& members = call->admin().members();
    // Its group was loaded anew, and has other members.
    const bool unknown = acquired.error.code == core::ErrorCode::unknown_member;
    if (unknown) {
      members.forget(*receiving->group, acquired.member);
      if (std::exchange(receiving->again, true)) return call->refuse(acquired.error);
      return receive(call, receiving);
    }
    members.give_back(*receiving->group, acquired.member, http::now_mono_us());
    if (acquired.error) return call->refuse(acquired.error);
    if (!acquired.acquired.empty() && call->request().hung_up()) {
      // Nobody reads the answer: others may have them at once.
      settle_here(call, acquired, std::exchange(acquired.acquired, {}), core::Verdict::release, "");
    }
    answer_received(call, acquired);
  });
}

void receive(const CallPtr& call, const ReceivingPtr& receiving) {
  call->admin().members().borrow(call->tenant(), receiving->group, receiving->topic,
                                 call->request().received_mono_us,
                                 [call, receiving](const core::Error& error, uint64_t member) {
                                   if (error) return call->refuse(error);
                                   acquire(call, receiving, member);
                                 });
}

}  // namespace

void receive_deliveries(const CallPtr& call) {
  auto receiving = std::make_shared<Receiving>();
  if (const core::Error error = read_receive(call, receiving.get())) return call->fail(error);
  call->with_acked_group([=](const core::GroupPtr& group, const core::TopicPtr& topic) {
    receiving->group = group;
    receiving->topic = topic;
    if (receiving->wait_us > 0 &&
        (receiving->slot = call->admin().begin_wait(call->tenant().tenant())) == nullptr) {
      return call->fail(too_many_waits());
    }
    receive(call, receiving);
  });
}

}  // namespace headrace::admin
