#include "broker/core/letter_row.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>

#include "broker/core/attempts.h"
#include "broker/limits.h"
#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {

std::string encode_letter(const DeadLetter& letter) {
  records::DeadLetter row;
  row.set_partition(letter.partition.value());
  row.set_offset(letter.offset.value());
  row.set_append_time_us(letter.append_time_us);
  row.set_lane(letter.lane.value());
  row.set_event(std::string(storage::as_text(letter.event.span())));
  row.set_reason(static_cast<uint32_t>(letter.reason));
  row.set_error(letter.error);
  for (const auto& attempt : letter.attempts) encode(attempt, row.add_attempts());
  row.set_dead_us(letter.dead_us);
  row.set_redriven_us(letter.redriven_us);
  row.set_redrive_of(letter.redrive_of);
  row.set_redriven_by(letter.redriven_by.value());
  return row.SerializeAsString();
}

bool decode_letter(std::string_view key, const SharedBytes& value, DeadLetter* letter) {
  const auto sequence = storage::parse_dlq_letter_key(key);
  records::DeadLetter row;
  const auto bytes = value.span();
  if (!sequence || !row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  letter->sequence = *sequence;
  letter->lane = LaneId(row.lane());
  letter->partition = PartitionId(row.partition());
  letter->offset = Offset(row.offset());
  letter->append_time_us = row.append_time_us();
  letter->event = SharedBytes::copy_of(row.event());
  letter->reason = static_cast<FailureReason>(row.reason());
  letter->error = row.error();
  for (const auto& attempt : row.attempts()) letter->attempts.push_back(decode(attempt));
  letter->dead_us = row.dead_us();
  letter->redriven_us = row.redriven_us();
  letter->redrive_of = row.redrive_of();
  letter->redriven_by = LaneId(row.redriven_by());
  letter->row_bytes = static_cast<int64_t>(value.size());
  return true;
}

// ---- selections

Error LetterFilter::compile(const std::vector<std::string>& conditions, LetterFilter* filter) {
  LetterFilter compiled;
  FilterSpec spec;
  if (conditions.size() > limits::kConditionsPerGroup) {
    return Error(ErrorCode::invalid_request,
                 "conditions: at most " + std::to_string(limits::kConditionsPerGroup));
  }
  for (size_t i = 0; i < conditions.size(); ++i) {
    Condition condition;
    if (Error error = parse_condition(conditions[i], &condition)) {
      error.detail = "conditions[" + std::to_string(i) + "]: " + error.detail;
      return error;
    }
    if (condition.name == "reason") {
      compiled.reasons_.emplace_back(condition);
    } else {
      spec.conditions.push_back(std::move(condition));
    }
  }
  compiled.reads_events_ = !spec.conditions.empty();
  if (Error error = Filter::compile(spec, &compiled.events_)) return error;
  *filter = std::move(compiled);
  return {};
}

bool LetterFilter::matches(const DeadLetter& letter) const {
  return matches(letter.reason, letter.event.span());
}

bool LetterFilter::matches(FailureReason of_letter, std::span<const std::byte> event) const {
  const auto reason = to_string(of_letter);
  if (!std::all_of(reasons_.begin(), reasons_.end(),
                   [&](const ConditionTest& test) { return test.holds(reason); })) {
    return false;
  }
  if (!reads_events_) return true;
  const auto header = storage::read_header(event);
  if (!header) return false;  // expired: nothing of the event is left
  std::string scratch;
  std::span<const std::byte> records;
  if (storage::records_of(event, *header, &scratch, limits::kInflateBytesMax, &records) !=
      storage::BatchError::ok) {
    return false;
  }
  storage::RecordReader reader(records, *header);
  storage::RecordView record;
  return reader.next(&record) && events_.matches({{}, record});
}

// Two fields of records.DeadLetter in place: building the message costs many times what looking at
// them does, and a selection goes over thousands of rows for a page.
bool LetterFilter::matches_row(std::string_view row) const {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(row.data()),
                                            static_cast<int>(row.size()));
  std::span<const std::byte> event;
  uint32_t reason = 0;
  while (const uint32_t tag = in.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    if (field == records::DeadLetter::kEventFieldNumber) {
      uint32_t size = 0;
      if (!in.ReadVarint32(&size) || size > row.size()) return true;
      event = std::as_bytes(std::span(row)).subspan(static_cast<size_t>(in.CurrentPosition()));
      if (size > event.size()) return true;
      event = event.first(size);
      if (!in.Skip(static_cast<int>(size))) return true;
    } else if (field == records::DeadLetter::kReasonFieldNumber) {
      if (!in.ReadVarint32(&reason)) return true;
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return true;
    }
  }
  return !in.ConsumedEntireMessage() || matches(static_cast<FailureReason>(reason), event);
}

}  // namespace headrace::core
