#include "broker/core/job_record.h"

#include <cmath>

#include "broker/core/filter.h"
#include "broker/core/group_options.h"
#include "broker/limits.h"
#include "records.pb.h"
#include "storage/keys.h"

namespace headrace::core {

std::string_view to_string(JobKind kind) {
  return kind == JobKind::replay ? "replay" : "redrive";
}

std::string_view to_string(JobState state) {
  switch (state) {
    case JobState::queued:
      return "queued";
    case JobState::running:
      return "running";
    case JobState::paused:
      return "paused";
    case JobState::completed:
      return "completed";
    case JobState::cancelled:
      return "cancelled";
    case JobState::failed:
      return "failed";
  }
  return "invalid";
}

std::string JobRecord::encode() const {
  records::Job row;
  row.set_kind(static_cast<uint32_t>(kind));
  row.set_state(static_cast<uint32_t>(state));
  row.set_dry_run(dry_run);
  for (const JobRange& range : ranges) {
    auto* to = row.add_ranges();
    to->set_partition(range.partition.value());
    to->set_from(range.from.value());
    to->set_to(range.to.value());
  }
  for (const auto& filter : filters) row.add_filters(filter);
  for (const auto& condition : conditions) row.add_conditions(condition);
  for (const uint64_t letter : letters) row.add_letters(letter);
  row.set_letters_end(letters_end);
  row.set_rate(rate);
  row.set_created_us(created_us);
  row.set_started_us(started_us);
  row.set_ended_us(ended_us);
  row.set_scanned(scanned);
  row.set_matched(matched);
  row.set_acked(acked);
  row.set_failed(failed);
  row.set_expired(expired);
  row.set_unwinding(unwinding);
  row.set_error(error);
  return row.SerializeAsString();
}

std::optional<JobRecord> decode_job(std::string_view key, std::string_view value) {
  const auto lane = storage::parse_job_key(key);
  records::Job row;
  if (!lane || !row.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return std::nullopt;
  }
  if (row.kind() > static_cast<uint32_t>(JobKind::redrive)) return std::nullopt;
  if (row.state() > static_cast<uint32_t>(JobState::failed)) return std::nullopt;
  JobRecord job;
  job.lane = *lane;
  job.kind = static_cast<JobKind>(row.kind());
  job.state = static_cast<JobState>(row.state());
  job.dry_run = row.dry_run();
  for (const auto& range : row.ranges()) {
    job.ranges.push_back(
        {PartitionId(range.partition()), Offset(range.from()), Offset(range.to())});
  }
  job.filters.assign(row.filters().begin(), row.filters().end());
  job.conditions.assign(row.conditions().begin(), row.conditions().end());
  job.letters.assign(row.letters().begin(), row.letters().end());
  job.letters_end = row.letters_end();
  job.rate = row.rate();
  job.created_us = row.created_us();
  job.started_us = row.started_us();
  job.ended_us = row.ended_us();
  job.scanned = row.scanned();
  job.matched = row.matched();
  job.acked = row.acked();
  job.failed = row.failed();
  job.expired = row.expired();
  job.unwinding = row.unwinding();
  job.error = row.error();
  return job;
}

Error check_rate(double rate) {
  if (std::isfinite(rate) && rate >= 0 && rate <= limits::kJobRateMax &&
      (rate == 0 || rate >= 0.001)) {
    return {};
  }
  return {ErrorCode::invalid_request,
          "rate: 0 (no limit), or from 0.001 to 1000000 events a second"};
}

Error compile_replay_filter(const JobRecord& job, Filter* filter) {
  GroupOptions options;
  options.filters = job.filters;
  options.conditions = job.conditions;
  return compile_filter(options, filter);
}

}  // namespace headrace::core
