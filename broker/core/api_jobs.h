// Requests about the jobs of an acked group. As api.h.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/api.h"
#include "broker/core/job_record.h"

namespace headrace::core {

// A job as people see it.
struct JobStats {
  JobRecord record;  // counts as of now
  int64_t delivered = 0;
  double percent = 0;
  std::optional<double> eta_seconds;
};

struct StartJob final : RequestOf<Request::Kind::start_job> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  JobKind kind = JobKind::replay;
  double rate = 0;
  bool dry_run = false;
  std::vector<std::string> filters;     // replay
  std::vector<std::string> conditions;  // both; redrive: on letters
  // Replay: from a time (all partitions), or offsets [from, to) of one partition.
  std::optional<AppendedAt> from_time;
  std::optional<AppendedAt> to_time;  // exclusive; none: what is visible now
  std::optional<PartitionId> partition;
  Offset from_offset{-1};
  Offset to_offset{-1};
  // Redrive: `all`, or by conditions, or these.
  bool all = false;
  std::vector<uint64_t> letters;
  JobStats job;  // out
};
struct ListJobs final : RequestOf<Request::Kind::list_jobs> {
  using RequestOf::RequestOf;
  TopicPtr topic;
  GroupPtr group;
  LaneId only;                 // 0: all
  std::vector<JobStats> jobs;  // out; newest first
};
struct ControlJob final : RequestOf<Request::Kind::control_job> {
  using RequestOf::RequestOf;
  enum class Action : uint8_t { pause, resume, cancel };
  TopicPtr topic;
  GroupPtr group;
  LaneId lane;
  Action action = Action::pause;
  JobStats job;  // out
};

}  // namespace headrace::core
