// A push subscription to one partition: the session keeps one fetch outstanding while there is
// credit, and sends what it brings as Delivery frames. Credit counts bytes of payload; the last
// delivery may exceed it by one batch, which is then owed.
//
// Lives on: the session's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/api.h"
#include "headrace.pb.h"
#include "net/native/frame.h"

namespace headrace::native {

class Session;

class Subscription : public std::enable_shared_from_this<Subscription> {
 public:
  Subscription(uint32_t id, net::native::FrameHeader asked_by, core::TopicPtr topic,
               PartitionId partition, bool decoded)
      : id_(id),
        asked_by_(asked_by),
        topic_(std::move(topic)),
        partition_(partition),
        decoded_(decoded) {}

  void start(Session& session, Offset from);
  void add_credit(Session& session, uint32_t bytes);
  void pump(Session& session);  // asks for more if it may
  void cancel() { cancelled_ = true; }

 private:
  void on_fetched(Session& session, core::Fetch& fetch);
  void on_batches(Session& session, core::Error error, std::vector<core::StoredBatch> batches);
  core::Error deliver(Session& session, std::vector<core::StoredBatch> batches);
  core::Error deliver_decoded(Session& session, const std::vector<core::StoredBatch>& batches);
  core::Error push_decoded(Session& session, Offset last, proto::Delivery* delivery,
                           std::string* values);

  const uint32_t id_;
  const net::native::FrameHeader asked_by_;  // errors are answered to this request
  const core::TopicPtr topic_;
  const PartitionId partition_;
  const bool decoded_;
  Offset next_;
  Offset visible_end_;  // as of the last fetch
  int64_t credit_bytes_ = 0;
  bool started_ = false;
  bool fetching_ = false;  // what it brought may still be with a worker
  bool cancelled_ = false;
};

}  // namespace headrace::native
