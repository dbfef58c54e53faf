#include "broker/core/dead_letters.h"

#include <algorithm>

#include "broker/core/attempts.h"
#include "broker/limits.h"
#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

storage::Place dlq_place(TenantId tenant) {
  return {storage::Table::dlq, Month(0), tenant};
}

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
  return row.SerializeAsString();
}

bool decode_letter(const storage::Scan::Row& from, DeadLetter* letter) {
  const auto sequence = storage::parse_dlq_letter_key(from.key.view());
  records::DeadLetter row;
  const auto bytes = from.value.span();
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
  return true;
}

}  // namespace

void DeadLetters::put(DeadLetter letter, Committable* who) {
  letter.sequence = next_++;
  auto& writes = ctx_->writes(who);
  const storage::Place place = dlq_place(topic_->tenant);
  const auto key =
      storage::dlq_letter_key(topic_->tenant, topic_->id, SliceId(0), group_->id, letter.sequence);
  std::string row = encode_letter(letter);
  ++count_;
  bytes_ += static_cast<int64_t>(row.size());
  writes.put(place, key, std::move(row));
  std::string sequence;
  storage::append_be(&sequence, letter.sequence);
  writes.put(place,
             storage::dlq_origin_key(topic_->partition(letter.partition), group_->id, letter.lane,
                                     letter.offset),
             std::move(sequence));
}

// Owns itself until the rows are there; needs nothing of the group.
struct DeadLetters::Page final : storage::Scan {
  void run() override {
    std::unique_ptr<Page> self(this);
    if (status != storage::Status::ok) {
      request->error = Error(from_store(status), "reading dead letters");
      return ctx->reply(std::move(request));
    }
    for (const Row& row : rows) {
      DeadLetter letter;
      if (!decode_letter(row, &letter)) {
        request->error = Error(ErrorCode::storage_error, "a dead letter does not parse");
        return ctx->reply(std::move(request));
      }
      request->letters.push_back(std::move(letter));
    }
    request->more = more;
    if (request->only != 0 && request->letters.empty()) {
      request->error = Error(ErrorCode::unknown_dead_letter,
                             request->group->name + "@" + std::to_string(request->only));
    }
    ctx->reply(std::move(request));
  }
  std::unique_ptr<ListDeadLetters> request;
  Ctx* ctx = nullptr;
};

void DeadLetters::list(std::unique_ptr<ListDeadLetters> request) const {
  auto* page = new Page;
  auto key = [&](uint64_t sequence) {
    return storage::dlq_letter_key(topic_->tenant, topic_->id, SliceId(0), group_->id, sequence);
  };
  request->total = count_;
  page->place = dlq_place(topic_->tenant);
  page->from = key(request->only != 0 ? request->only : request->after + 1);
  page->to = request->only != 0 ? key(request->only + 1) : key(UINT64_MAX);
  page->max_rows = request->only != 0 ? 1 : request->page_size;
  page->sink = ctx_->sink();
  page->ctx = ctx_;
  page->request = std::move(request);
  ctx_->store().scan(page);
}

void DeadLetters::encode(records::GroupHealth* row) const {
  row->set_next_letter(next_);
  row->set_letters(count_);
  row->set_letter_bytes(bytes_);
}

void DeadLetters::decode(const records::GroupHealth& row) {
  next_ = std::max<uint64_t>(row.next_letter(), 1);
  count_ = row.letters();
  bytes_ = row.letter_bytes();
}

}  // namespace headrace::core
