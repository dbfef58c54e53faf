#include "broker/native/handlers/convert_jobs.h"

#include "broker/limits.h"
#include "broker/native/handlers/convert_groups.h"

namespace headrace::native {

std::string job_id(std::string_view group, LaneId lane) {
  return std::string(group) + "/" + std::to_string(lane.value());
}

bool parse_job_id(std::string_view id, std::string* group, LaneId* lane) {
  const size_t slash = id.rfind('/');
  uint64_t number = 0;
  if (slash == std::string_view::npos || slash == 0) return false;
  if (!parse_sequence(id.substr(slash + 1), &number) || number > UINT32_MAX / 2) return false;
  *group = std::string(id.substr(0, slash));
  *lane = LaneId(static_cast<uint32_t>(number));
  return true;
}

void to_proto(const core::GroupRecord& group, const core::JobStats& job, proto::Job* message) {
  const core::JobRecord& record = job.record;
  message->set_id(job_id(group.name, record.lane));
  message->set_group(group.name);
  message->set_kind(std::string(core::to_string(record.kind)));
  message->set_state(std::string(core::to_string(record.state)));
  message->set_dry_run(record.dry_run);
  message->set_scanned(record.scanned);
  message->set_matched(record.matched);
  message->set_delivered(job.delivered);
  message->set_acked(record.acked);
  message->set_failed(record.failed);
  message->set_expired(record.expired);
  message->set_percent(job.percent);
  if (job.eta_seconds) message->set_eta_seconds(*job.eta_seconds);
  message->set_created_us(record.created_us);
  message->set_started_us(record.started_us);
  message->set_ended_us(record.ended_us);
  message->set_rate(record.rate);
  message->set_error(record.error);
}

namespace {

core::Error invalid_field(std::string_view field, std::string_view why) {
  return {core::ErrorCode::invalid_request, std::string(field) + ": " + std::string(why)};
}

}  // namespace

core::Error from_proto(const proto::StartReplay& message, core::StartJob* request) {
  request->kind = core::JobKind::replay;
  request->rate = message.rate();
  request->dry_run = message.dry_run();
  request->filters.assign(message.filters().begin(), message.filters().end());
  request->conditions.assign(message.conditions().begin(), message.conditions().end());
  if (message.has_from_us()) request->from_time = core::AppendedAt(message.from_us());
  if (message.has_to_us()) request->to_time = core::AppendedAt(message.to_us());
  if (message.has_partition()) request->partition = PartitionId(message.partition());
  if (message.has_from_offset()) {
    if (message.from_offset() < 0) return invalid_field("from_offset", "must not be negative");
    request->from_offset = Offset(message.from_offset());
  }
  if (message.has_to_offset()) {
    if (message.to_offset() < 0 || message.to_offset() == INT64_MAX) {
      return invalid_field("to_offset", "must not be negative");
    }
    request->to_offset = Offset(message.to_offset() + 1);  // inclusive on the wire
  }
  return {};
}

core::Error from_proto(const proto::Redrive& message, core::StartJob* request) {
  request->kind = core::JobKind::redrive;
  request->rate = message.rate();
  request->dry_run = message.dry_run();
  request->all = message.all();
  request->conditions.assign(message.conditions().begin(), message.conditions().end());
  if (static_cast<size_t>(message.ids_size()) > limits::kJobLetters) {
    return invalid_field("ids", "at most " + std::to_string(limits::kJobLetters));
  }
  for (int i = 0; i < message.ids_size(); ++i) {
    const std::string field = "ids[" + std::to_string(i) + "]";
    std::string group;
    uint64_t sequence = 0;
    if (!parse_dead_letter_id(message.ids(i), &group, &sequence)) {
      return invalid_field(field, "'" + message.ids(i) + "' is not GROUP@NUMBER");
    }
    if (group != message.group())
      return invalid_field(field, "is a letter of group '" + group + "'");
    request->letters.push_back(sequence);
  }
  return {};
}

}  // namespace headrace::native
