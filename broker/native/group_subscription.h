// A member of an acked group on one connection: keeps one Acquire outstanding while the output is
// not full, and sends what it brings as GroupDelivery frames. How much the member may hold without
// an outcome is counted where the group lives.
//
// Lives on: the session's reactor.
#pragma once

#include <cstdint>
#include <memory>

#include "broker/core/api_acked.h"
#include "net/native/frame.h"

namespace headrace::native {

class Session;

class GroupSubscription : public std::enable_shared_from_this<GroupSubscription> {
 public:
  GroupSubscription(uint32_t id, net::native::FrameHeader asked_by, core::TopicPtr topic,
                    core::GroupPtr group, uint32_t window_events, bool decoded)
      : id_(id),
        asked_by_(asked_by),
        topic_(std::move(topic)),
        group_(std::move(group)),
        window_events_(window_events),
        decoded_(decoded) {}

  void start(Session& session);  // becomes a member, answers the request, delivers
  void pump(Session& session);   // asks for more if it may
  // Leaves the group: what the member holds is released. Nothing is sent after it.
  void end(Session& session);

  bool attached() const { return member_ != 0; }
  uint64_t member() const { return member_; }
  const core::TopicPtr& topic() const { return topic_; }
  const core::GroupPtr& group() const { return group_; }

 private:
  bool may_acquire(Session& session) const;
  void on_attached(Session& session, core::AttachMember& attached);
  void acquire(Session& session);
  void on_acquired(Session& session, core::Acquire& acquired);
  void reject(Session& session, const core::Acquire& acquired, const core::AcquiredRange& range,
              const std::string& why);
  void fail(Session& session, const core::Error& error);

  const uint32_t id_;
  const net::native::FrameHeader asked_by_;  // errors are answered to this request
  const core::TopicPtr topic_;
  const core::GroupPtr group_;
  const uint32_t window_events_;
  const bool decoded_;
  uint64_t member_ = 0;  // 0: not attached
  bool acquiring_ = false;
  bool pumping_ = false;
  bool ended_ = false;
};

}  // namespace headrace::native
