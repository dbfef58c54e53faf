// Requests about acked groups: members, deliveries, outcomes, dead letters. As api.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/core/api.h"
#include "broker/core/group_options.h"
#include "broker/core/retry_entry.h"

namespace headrace::core {

// ---- catalog (meta shard)

struct CreateGroup final : RequestOf<Request::Kind::create_group> {
  using RequestOf::RequestOf;
  std::string name;
  TopicPtr topic;
  GroupOptions options;
  bool if_missing = false;
  // out
  GroupPtr group;
  bool created = false;
};
struct UpdateGroup final : RequestOf<Request::Kind::update_group> {
  using RequestOf::RequestOf;
  std::string name;
  GroupOptions options;
  uint64_t if_version = 0;  // 0: whatever it is
  GroupPtr group;           // out
};

// ---- members and deliveries

struct AttachMember final : RequestOf<Request::Kind::attach_member> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  std::string client;
  uint32_t window_events = 0;  // holds at most so many deliveries without an outcome
  // out
  uint64_t member = 0;
  int64_t ack_deadline_us = 0;
};
// What the member holds is released: handed out again at once, no attempt counted.
struct DetachMember final : RequestOf<Request::Kind::detach_member> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  uint64_t member = 0;
};

struct AcquiredRange {
  Offset first;
  Offset last;  // inclusive; every offset of it is delivered
  uint32_t attempt = 1;
  uint32_t batch = 0;  // which of the answer's batches holds it
};
// Asks for deliveries; answered when there are some, or empty at the deadline. One of a member is
// outstanding at a time. All of one answer are of one partition and lane.
struct Acquire final : RequestOf<Request::Kind::acquire> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  uint64_t member = 0;
  uint32_t max_events = 0;
  uint32_t max_bytes = 0;
  int64_t deadline_mono_us = 0;
  // out
  PartitionId partition;
  LaneId lane;
  std::vector<StoredBatch> batches;  // some of their offsets are acquired
  std::vector<AcquiredRange> acquired;
  uint32_t events = 0;
  int64_t ack_deadline_us = 0;  // from now
};

enum class Verdict : uint8_t { ack = 0, nack = 1, reject = 2, extend = 3, release = 4 };

struct Settle final : RequestOf<Request::Kind::settle> {
  using RequestOf::RequestOf;
  struct Outcome {
    PartitionId partition;
    LaneId lane;
    Offset first;
    Offset last;
    uint32_t attempt = 1;
    Verdict verdict = Verdict::ack;
    int64_t delay_us = -1;  // nack: instead of the policy's; -1: the policy's
    std::string error;
    Error refused;  // out: nothing of the range was settled
  };
  TopicPtr topic;
  GroupPtr group;
  uint64_t member = 0;
  std::vector<Outcome> outcomes;
};

struct SetGroupState final : RequestOf<Request::Kind::set_group_state> {
  using RequestOf::RequestOf;
  enum class Action : uint8_t { enable, disable, probe };
  TopicPtr topic;
  GroupPtr group;
  Action action = Action::enable;
  std::string reason;
  GroupState state = GroupState::healthy;  // out
};

// ---- dead letters

struct DeadLetter {
  uint64_t sequence = 0;
  LaneId lane;
  PartitionId partition;
  Offset offset;
  int64_t append_time_us = 0;
  SharedBytes event;  // a record batch v2 of this one event
  FailureReason reason = FailureReason::nack;
  std::string error;
  std::vector<AttemptRecord> attempts;
  int64_t dead_us = 0;
  int64_t redriven_us = 0;  // 0: not
  LaneId redriven_by;       // the job that took it
  uint64_t redrive_of = 0;  // the letter whose redrive failed; 0: none
  int64_t row_bytes = 0;    // as it was read
};
struct ListDeadLetters final : RequestOf<Request::Kind::list_dead_letters> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  uint64_t after = 0;  // sequence; 0: from the first
  uint64_t only = 0;   // this one alone; 0: all
  uint32_t page_size = 50;
  std::vector<std::string> conditions;  // on the event, and `reason`; all must hold
  // out
  uint64_t last = 0;  // sequence: so far it looked
  std::vector<DeadLetter> letters;
  bool more = false;
  int64_t total = 0;  // of the group, whatever the conditions
};
// By number, or a selection in two steps: counted first, deleted by the token that came with the
// count. Letters that came after the count stay.
struct DeleteDeadLetters final : RequestOf<Request::Kind::delete_dead_letters> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  std::vector<uint64_t> only;           // these; those that do not exist are passed over
  std::vector<std::string> conditions;  // or those for which all of them hold
  bool all = false;                     // or all
  std::string token;                    // in: of the count; out: of this count
  // out
  int64_t matched = 0;
  int64_t deleted = 0;
};

}  // namespace headrace::core
