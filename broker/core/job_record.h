// A job of an acked group: a replay delivers a part of the log again, a redrive gives dead letters
// back, both in a lane of their own. Plain values; the row of family state, kind job
// (records.Job). The job's number is its lane; numbers are never reused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/error.h"
#include "storage/types.h"

namespace headrace::core {

class Filter;

enum class JobKind : uint8_t { replay = 0, redrive = 1 };  // persistent numbers
std::string_view to_string(JobKind kind);

enum class JobState : uint8_t {  // persistent numbers
  queued = 0,
  running = 1,
  paused = 2,
  completed = 3,
  cancelled = 4,
  failed = 5,
};
std::string_view to_string(JobState state);

// [from, to), frozen when the job was started.
struct JobRange {
  PartitionId partition;
  Offset from;
  Offset to;
};

struct JobRecord {
  LaneId lane;
  JobKind kind = JobKind::replay;
  JobState state = JobState::queued;
  bool dry_run = false;                 // counts, delivers nothing
  std::vector<JobRange> ranges;         // replay; a partition at most once
  std::vector<std::string> filters;     // replay: of what the group wants
  std::vector<std::string> conditions;  // redrive: on letters (letter_row.h)
  std::vector<uint64_t> letters;        // redrive: these alone; none: all that match
  uint64_t letters_end = 0;             // redrive: letters below this sequence
  double rate = 0;                      // events a second; 0: no limit
  int64_t created_us = 0;               // wall clock, like the next two; 0: not yet
  int64_t started_us = 0;
  int64_t ended_us = 0;
  // While the job is open, what follows from positions is not kept here: see Job::stats().
  int64_t scanned = 0;
  int64_t matched = 0;
  int64_t acked = 0;
  int64_t failed = 0;  // events that ended as dead letters
  int64_t expired = 0;
  bool unwinding = false;  // cancelled, and parked letters are still to be given back
  std::string error;

  bool open() const {
    return state == JobState::queued || state == JobState::running || state == JobState::paused;
  }
  std::string encode() const;
};

std::optional<JobRecord> decode_job(std::string_view key, std::string_view value);

// Names the field that is no rate, pattern or condition.
Error check_rate(double rate);
Error compile_replay_filter(const JobRecord& job, Filter* filter);

}  // namespace headrace::core
