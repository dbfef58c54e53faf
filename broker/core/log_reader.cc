#include "broker/core/log_reader.h"

#include "broker/core/api.h"
#include "broker/core/filter.h"
#include "broker/limits.h"

namespace headrace::core {

storage::BatchError BatchWalk::open() {
  std::span<const std::byte> records;
  if (!inflated.empty()) {
    records = std::as_bytes(std::span(inflated));
  } else {
    const auto error = storage::records_of(stored.bytes.span(), header, &inflated,
                                           limits::kInflateBytesMax, &records);
    if (error != storage::BatchError::ok) return error;
  }
  reader.emplace(records, header);
  position_ = first();
  return storage::BatchError::ok;
}

storage::BatchError BatchWalk::at(Offset offset, storage::RecordView* record) {
  if (reader && position_ == offset + 1) {
    *record = current_;
    return storage::BatchError::ok;
  }
  if (!reader || position_ > offset) {
    if (const auto error = open(); error != storage::BatchError::ok) return error;
  }
  while (reader->next(&current_)) {
    const Offset here = first() + current_.offset_delta;
    position_ = here + 1;
    if (here != offset) continue;
    *record = current_;
    return storage::BatchError::ok;
  }
  reader.reset();
  return storage::BatchError::bad_record;
}

const BatchTypesPtr& BatchWalk::types(TypeRollup& rollup) {
  if (types_ != nullptr) return types_;
  auto types = std::make_shared<BatchTypes>();
  types->first = first();
  const bool compressed = header.codec() != storage::Codec::none && inflated.empty();
  std::span<const std::byte> records;
  if (!compressed && (reader || open() == storage::BatchError::ok)) {
    records = inflated.empty() ? stored.bytes.span().subspan(storage::kBatchHeaderSize)
                               : std::as_bytes(std::span(inflated));
  }
  storage::RecordReader all(records, header);
  storage::RecordView record;
  std::string_view last;
  TypeRollup::TypeId id = TypeRollup::kUnknown;
  bool one = true;
  while (!records.empty() && all.next(&record)) {
    std::string_view type;
    if (!read_type(record, &type)) type = {};
    if (types->ids.empty() || type != last) {
      one = one && types->ids.empty();
      last = type;
      id = rollup.id_of(type);
    }
    types->ids.push_back(id);
  }
  const bool complete = types->ids.size() == static_cast<size_t>(header.record_count);
  if (!complete) types->ids = {TypeRollup::kUnknown};
  if (complete && one) types->ids.resize(1);
  types_ = std::move(types);
  return types_;
}

BatchTypesPtr BatchWalk::type_at(Offset offset, TypeRollup& rollup) {
  auto types = std::make_shared<BatchTypes>();
  storage::RecordView record;
  std::string_view type;
  const bool known = at(offset, &record) == storage::BatchError::ok && read_type(record, &type);
  types->first = offset;
  types->ids.push_back(known ? rollup.id_of(type) : TypeRollup::kUnknown);
  return types;
}

LogReader::LogReader(Key key, Ctx* ctx) : key_(std::move(key)), ctx_(ctx), slot_(Fetch::kNoSlot) {}

void LogReader::skip_by(const FilterPtr& group, const FilterPtr& job) {
  if (filters_[0] == group && filters_[1] == job) return;
  filters_ = {group, job};
  skipped_from_ = skipped_to_ = Offset(-1);
}

LogReader::State LogReader::seek(Offset offset, bool wait) {
  if (offset >= skipped_from_ && offset < skipped_to_) return State::skipped;
  while (!batches_.empty() &&
         (offset < batches_.front().first() || offset >= batches_.front().end())) {
    batches_.pop_front();
  }
  if (!batches_.empty()) return State::ready;
  if (reading_ && asked_by_ == filters_) return State::reading;
  if (error_.code == ErrorCode::storage_error && ctx_->now().mono_us < again_mono_us_) {
    return State::failed;
  }
  auto fetch = std::make_unique<Fetch>(Access::node(key_.topic->tenant));
  fetch->topic = key_.topic;
  fetch->shard = key_.topic->shard;
  fetch->partition = key_.partition;
  fetch->offset = offset;
  fetch->max_bytes = wait ? limits::kAcquireBytes : 1;
  if (wait) {
    fetch->deadline_mono_us =
        ctx_->now().mono_us + int64_t{limits::kFetchWaitMsMax} * kMicrosPerMilli;
  }
  fetch->filters = filters_;
  fetch->priority = priority_;
  if (wait) fetch->slot = slot_;
  fetch->origin = key_.origin;
  fetch->ticket = key_.ticket;
  asked_by_ = filters_;
  wanted_ = offset;
  error_ = {};
  reading_ = asking_ = true;
  ctx_->submit(std::move(fetch));
  asking_ = false;
  // What the tail holds has been answered within the call.
  if (reading_) return State::reading;
  if (offset < skipped_to_) return State::skipped;
  if (!batches_.empty()) return State::ready;
  if (error_.code != ErrorCode::offset_out_of_range || offset >= log_start_) return State::failed;
  error_ = {};
  return State::gone;
}

bool LogReader::on_fetched(Fetch& fetch) {
  // One for other filters has been asked since: that one counts.
  if (fetch.filters != asked_by_) return false;
  reading_ = false;
  error_ = fetch.error;
  again_mono_us_ = ctx_->now().mono_us + kReadAgainUs;
  log_start_ = fetch.log_start;
  // What others skipped by is asked for again.
  const bool current = fetch.filters == filters_;
  skipped_from_ = fetch.offset;
  skipped_to_ = current ? fetch.skipped_to : Offset(-1);
  batches_.clear();
  for (auto& stored : fetch.batches) {
    const auto header = storage::read_header(stored.bytes.span());
    if (!header) {
      error_ = Error(ErrorCode::storage_error, "a batch without a header");
      batches_.clear();
      return !asking_;
    }
    BatchWalk& walk = batches_.emplace_back();
    walk.stored = std::move(stored);
    walk.header = *header;
  }
  return !asking_;
}

}  // namespace headrace::core
