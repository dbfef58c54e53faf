// What an acked group did, does or will do with one event of its topic. As api.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/api_acked.h"
#include "broker/core/api_history.h"
#include "broker/core/job_record.h"

namespace headrace::core {

enum class EventStatus : uint8_t {
  not_matched,   // the filter does not let it through
  before_start,  // the group began behind it
  waiting,       // the log was not read so far yet
  in_flight,     // a member has it
  given_back,    // a member had it; it is handed out before anything else
  behind_key,    // an earlier event of its key is not over
  retry,         // failed; comes again when it is due
  dying,         // out of attempts, on its way to the dead letters
  blocked,       // out of attempts; waits for space among the dead letters
  dead,          // a dead letter
  settled,       // acked; or retention skipped it, or its dead letter was deleted
  unknown,       // settled or retry: not all parked rows were looked at, the cursor goes on
};
std::string_view to_string(EventStatus status);
std::optional<EventStatus> event_status(std::string_view word);
std::string event_statuses();  // all words, for a message

// Where an event is in one lane. What does not belong to the status has its default.
struct EventPlace {
  EventStatus status = EventStatus::settled;
  uint32_t attempt = 0;  // in flight: this one; given back, retry: the next one
  std::string member;
  int64_t started_us = 0;  // wall clock, like the next two
  int64_t deadline_us = 0;
  int64_t due_us = 0;
  int64_t before = 0;                   // waiting: events of the log that come first
  std::vector<AttemptRecord> attempts;  // those that failed
};

// A parked row, in the order of their keys.
struct ParkedAt {
  int64_t due_us = 0;
  Offset offset;
  uint32_t attempt = 0;
};

struct ExplainEvent final : RequestOf<Request::Kind::explain_event> {
  using RequestOf::RequestOf;
  struct JobPlace {
    LaneId lane;
    JobKind kind = JobKind::replay;
    JobState state = JobState::running;
    EventStatus status = EventStatus::waiting;
  };
  TopicPtr topic;
  GroupPtr group;
  PartitionId partition;
  Offset offset;
  SharedBytes event;  // a record batch v2 of this one event; empty: nobody can read it (any more)
  int64_t append_time_us = 0;  // of it
  std::string violation;       // why it is kept from handlers; empty: it is not
  // In: where the last answer ended; out: where this one did, if the status is unknown.
  std::optional<ParkedAt> looked_to;
  // out
  EventPlace place;                  // in lane 0
  std::optional<bool> matches;       // by the filter as it is now; without the event not known
  std::string mismatch;              // which part of the filter does not let it through
  std::vector<std::string> held_by;  // why nothing is delivered now
  GroupState state = GroupState::healthy;
  std::string state_reason;
  int64_t cooldown_ends_us = 0;
  std::optional<DeadLetter> letter;  // without the event
  std::vector<JobPlace> jobs;        // open ones whose part has the event
};

// A search through the history of one partition as a group sees it: only events with one of the
// statuses. `find` says what to look for, and answers as if it had been asked alone.
struct SearchGroup final : RequestOf<Request::Kind::search_group> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  PartitionId partition;
  std::vector<EventStatus> wanted;  // none: whatever it is
  std::unique_ptr<FindEvents> find;
  std::vector<EventStatus> statuses;  // out: of find->events, in lane 0
};

}  // namespace headrace::core
