#include "broker/core/acked_attempts.h"

#include "broker/core/acked_group.h"
#include "broker/core/attempts.h"
#include "records.pb.h"

namespace headrace::core {

std::string AckedAttempts::encode() const {
  records::AckedAttempts row;
  row.set_first(first.value());
  for (const AttemptRecord& attempt : attempts) core::encode(attempt, row.add_attempts());
  return row.SerializeAsString();
}

std::optional<AckedAttempts> AckedAttempts::decode(std::string_view bytes) {
  records::AckedAttempts row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  AckedAttempts decoded;
  decoded.first = Offset(row.first());
  for (const auto& attempt : row.attempts()) decoded.attempts.push_back(core::decode(attempt));
  return decoded;
}

// ---- in their group

bool AckedGroup::keeps_attempts() const {
  return options().keep_attempts == GroupOptions::KeepAttempts::all;
}

void AckedGroup::put_attempts(PartitionId partition, Offset last, LaneId lane,
                              const AckedAttempts& row) {
  kept_attempts_ = true;
  mark_dirty();
  ctx_->writes(this).put(
      storage::state_place(topic_->tenant),
      storage::attempts_key(topic_->partition(partition), record_->id, last, lane), row.encode());
}

void AckedGroup::forget_attempts(PartitionId partition, Offset log_start) {
  if (!kept_attempts_) return;
  const PartitionKey of = topic_->partition(partition);
  ctx_->writes(this).remove_range(storage::state_place(topic_->tenant),
                                  storage::attempts_prefix(of, record_->id),
                                  storage::attempts_key(of, record_->id, log_start, LaneId(0)));
}

}  // namespace headrace::core
