#include "broker/native/group_subscription.h"

#include <algorithm>

#include "broker/limits.h"
#include "broker/native/group_delivery.h"
#include "broker/native/server.h"
#include "broker/native/session.h"

namespace headrace::native {

void GroupSubscription::start(Session& session) {
  auto request = std::make_unique<core::AttachMember>(session.tenant());
  request->topic = topic_;
  request->group = group_;
  request->shard = topic_->shard;
  request->client = session.client();
  request->window_events = window_events_;
  session.ask(std::move(request), 0,
              [self = shared_from_this()](Session& to, core::RequestPtr reply) {
                self->on_attached(to, core::as<core::AttachMember>(*reply));
              });
}

void GroupSubscription::on_attached(Session& session, core::AttachMember& attached) {
  if (attached.error) {
    if (!ended_) fail(session, attached.error);
    return;
  }
  member_ = attached.member;
  if (ended_) {  // unsubscribed meanwhile
    session.server().detach(session.tenant(), topic_, group_, member_);
    return;
  }
  proto::SubscribeGroupOk ok;
  ok.set_member(member_);
  ok.set_ack_deadline_ms(attached.ack_deadline_us / kMicrosPerMilli);
  ok.set_topic(topic_->name);
  ok.set_topic_id(topic_->id.value());
  session.reply(asked_by_, ok);
  pump(session);
}

bool GroupSubscription::may_acquire(Session& session) const {
  return attached() && !acquiring_ && !ended_ && !session.output_full();
}

// An answer may come within the call: then this loop goes on, not the answer.
void GroupSubscription::pump(Session& session) {
  if (pumping_) return;
  pumping_ = true;
  const auto self = shared_from_this();  // an error removes it from the session
  while (may_acquire(session)) acquire(session);
  pumping_ = false;
}

void GroupSubscription::acquire(Session& session) {
  auto request = std::make_unique<core::Acquire>(session.tenant());
  request->topic = topic_;
  request->group = group_;
  request->shard = topic_->shard;
  request->member = member_;
  request->max_events = std::min(window_events_, limits::kEventsPerDelivery);
  request->max_bytes = limits::kAcquireBytes;
  request->deadline_mono_us =
      session.now().mono_us + int64_t{limits::kFetchWaitMsMax} * kMicrosPerMilli;
  acquiring_ = true;
  session.ask(std::move(request), 0,
              [self = shared_from_this()](Session& to, core::RequestPtr reply) {
                self->acquiring_ = false;
                // What an ended subscription acquired is released with everything else it held.
                if (!self->ended_) self->on_acquired(to, core::as<core::Acquire>(*reply));
              });
}

void GroupSubscription::on_acquired(Session& session, core::Acquire& acquired) {
  if (acquired.error) return fail(session, acquired.error);
  const GroupFrames frames = make_group_frames(id_, acquired, decoded_);
  for (const GroupFrame& frame : frames.frames) {
    session.push(Session::MessageType::group_delivery, frame.message, frame.payload);
  }
  for (const Undeliverable& one : frames.undeliverable) {
    reject(session, acquired, one.range, one.why);
  }
  pump(session);
}

// It would come again and again: to the dead letters, where the whole event is.
void GroupSubscription::reject(Session& session, const core::Acquire& acquired,
                               const core::AcquiredRange& range, const std::string& why) {
  auto request = std::make_unique<core::Settle>(session.tenant());
  request->topic = topic_;
  request->group = group_;
  request->shard = topic_->shard;
  request->member = member_;
  core::Settle::Outcome outcome;
  outcome.partition = acquired.partition;
  outcome.lane = acquired.lane;
  outcome.first = range.first;
  outcome.last = range.last;
  outcome.attempt = range.attempt;
  outcome.verdict = core::Verdict::reject;
  outcome.error = "cannot be decoded for delivery: " + why;
  request->outcomes.push_back(std::move(outcome));
  // If it is not taken, the deadline brings the delivery back, and it is tried again.
  session.ask(std::move(request), 0, [](Session&, core::RequestPtr) {});
}

// The subscription ends; the client hears it as an answer to its subscribe_group.
void GroupSubscription::fail(Session& session, const core::Error& error) {
  const auto self = shared_from_this();
  session.fail(asked_by_, error);
  end(session);
  session.group_subscriptions().erase(id_);
}

void GroupSubscription::end(Session& session) {
  if (ended_) return;
  ended_ = true;
  if (attached()) session.server().detach(session.tenant(), topic_, group_, member_);
}

}  // namespace headrace::native
