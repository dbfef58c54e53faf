#include "storage/mem_store.h"

#include <algorithm>
#include <utility>

#include "metrics/check.h"
#include "storage/byte_reader.h"

namespace headrace::storage {
namespace {

constexpr Place kState{.table = Table::state};

// Only the log has families by month and tenant.
Place normalized(const Place& place) {
  return place.table == Table::log ? place : Place{.table = place.table};
}

std::string value_of(const Mutation& mutation) {
  if (mutation.op == Op::put) return mutation.value;
  const auto envelope = mutation.envelope.encode();
  std::string value(as_text(envelope));
  value.append(mutation.value);
  value.append(mutation.batch.view());
  return value;
}

}  // namespace

MemStore::MemStore(Disk* disk) : disk_(disk) {
  for (const WriteSet& set : std::exchange(disk_->unsynced, {})) apply(set);
  written_sequence_ = disk_->applied;
  drop_empty_months();
}

void MemStore::drop_empty_months() {
  std::vector<Place> pooled;  // oldest first
  for (const auto& [place, rows] : disk_->rows) {
    if (place.table == Table::log && place.tenant == TenantId(0)) pooled.push_back(place);
  }
  pooled.resize(pooled.size() < 2 ? 0 : pooled.size() - 2);
  for (const Place& place : pooled) {
    if (disk_->rows.at(place).empty()) disk_->rows.erase(place);
  }
}

void MemStore::commit(Commit* commit) {
  HR_CHECK(!dead_ && commit->sink != nullptr);
  in_flight_bytes_ += commit->set.bytes();
  submitted_.emplace_back(commit);
}

void MemStore::read(Read* read) {
  HR_CHECK(!dead_ && read->sink != nullptr);
  for (const Read::Item& item : read->items) {
    if (item.place.table == Table::state) loads_again(item.key.view());
  }
  reads_.emplace_back(read);
}

void MemStore::scan(Scan* scan) {
  HR_CHECK(!dead_ && scan->sink != nullptr);
  reads_.emplace_back(scan);
}

void MemStore::maintain(Maintenance* work) {
  HR_CHECK(!dead_ && work->sink != nullptr);
  submitted_.emplace_back(work);
}

void MemStore::work(Work* work) {
  HR_CHECK(!dead_ && work->sink != nullptr);
  reads_.emplace_back(work);
}

Pressure MemStore::pressure() const {
  return {in_flight_bytes_, budget_bytes_, disk_state_};
}

void MemStore::fail_next_commit(Status status, bool applied) {
  HR_CHECK(status == Status::unknown || !applied);
  fail_next_ = Fault{status, applied};
}

// A shard that reads its applied row has dropped everything it had in flight.
void MemStore::loads_again(std::string_view key) {
  for (const auto& [shard, status] : failed_) {
    if (applied_key(shard).view() != key) continue;
    failed_.erase(shard);
    return;
  }
}

void MemStore::write_pending() {
  // A fixed number: what completions submit meanwhile waits for the next step.
  for (size_t left = submitted_.size(); left > 0; --left) {
    const auto next = submitted_.front();
    submitted_.pop_front();
    if (Commit* const* commit = std::get_if<Commit*>(&next)) {
      write(*commit);
    } else {
      run(std::get<Maintenance*>(next));
    }
  }
}

void MemStore::write(Commit* commit) {
  const WriteSet& set = commit->set;
  written_.push_back(commit);
  const auto failed = failed_.find(set.shard);
  if (failed != failed_.end()) {
    commit->status = failed->second;
    return;
  }
  if (set.epoch < epoch(set.shard)) {
    commit->status = Status::fenced;
    return;
  }
  const std::optional<Fault> fault = std::exchange(fail_next_, std::nullopt);
  if (fault) {
    commit->status = fault->status;
    failed_.emplace(set.shard, fault->status);
    if (!fault->applied) return;
  }
  uint64_t& sequence = written_sequence_[set.shard];
  HR_CHECK(set.sequence <= sequence + 1 && "a gap in the sequence of a shard");
  if (set.sequence == sequence + 1) {
    for (const Mutation& mutation : set.mutations()) note_written(mutation, set.shard);
    sequence = set.sequence;
    disk_->unsynced.push_back(set);
  }
  if (!fault && commit->written != nullptr) commit->sink->post(commit->written);
#ifdef HEADRACE_PLANTED
  // A planted bug that the simulation must find: the ack leaves before the sync.
  written_.pop_back();
  in_flight_bytes_ -= set.bytes();
  commit->sink->post(commit);
#endif
}

// The shard's epoch as its last written set left it.
Epoch MemStore::epoch(ShardId shard) {
  const auto known = written_epoch_.find(shard);
  if (known != written_epoch_.end()) return known->second;
  const Rows& rows = disk_->rows[kState];
  const auto row = rows.find(epoch_key(shard));
  const Epoch epoch(row == rows.end() ? 0 : ByteReader(row->second).take<uint32_t>());
  written_epoch_.emplace(shard, epoch);
  return epoch;
}

void MemStore::note_written(const Mutation& mutation, ShardId shard) {
  family(mutation.place);  // checks that there is one
  if (mutation.op != Op::put || mutation.place.table != Table::state) return;
  if (mutation.key != epoch_key(shard)) return;
  written_epoch_[shard] =
      std::max(epoch(shard), Epoch(ByteReader(mutation.value).take<uint32_t>()));
}

void MemStore::sync() {
  for (const WriteSet& set : std::exchange(disk_->unsynced, {})) apply(set);
  for (Commit* commit : std::exchange(written_, {})) {
    in_flight_bytes_ -= commit->set.bytes();
    commit->sink->post(commit);
  }
}

void MemStore::run(Maintenance* work) {
  sync();
  work->status = apply_maintenance(*work);
  work->sink->post(work);
}

Status MemStore::apply_maintenance(const Maintenance& work) {
  switch (work.kind) {
    case Maintenance::Kind::create_month:
      create_month(work);
      return Status::ok;
    case Maintenance::Kind::drop_month:
      drop_month(work.month, work.tenant);
      return Status::ok;
    case Maintenance::Kind::compact_range:
      return Status::ok;
  }
  HR_UNREACHABLE("kind of maintenance");
}

void MemStore::create_month(const Maintenance& work) {
  const Rows& pooled = disk_->rows[{Table::log, work.month, TenantId(0)}];
  for (const TenantId tenant : work.dedicated) {
    const Key first = tenant_prefix(tenant);
    const auto row = pooled.lower_bound(first);
    if (row != pooled.end() && row->first < first.after_prefix()) continue;
    disk_->rows[{Table::log, work.month, tenant}];
  }
  std::erase_if(dropped_, [&](const auto& dropped) { return dropped.first == work.month; });
}

void MemStore::drop_month(Month month, TenantId tenant) {
  dropped_.emplace(month, tenant);
  if (disk_->rows.erase({Table::log, month, tenant}) > 0) return;
  const auto pooled = disk_->rows.find({Table::log, month, TenantId(0)});
  if (pooled == disk_->rows.end()) return;
  const Key first = tenant_prefix(tenant);
  pooled->second.erase(pooled->second.lower_bound(first),
                       pooled->second.lower_bound(first.after_prefix()));
}

// The family that a mutation goes to: the tenant's own, else the shared one. A month that does not
// exist, or no longer, is a bug of the caller.
Place MemStore::family(const Place& place) const {
  const Place own = normalized(place);
  if (own.table != Table::log) return own;
  HR_CHECK(!dropped_.contains({own.month, own.tenant}) && "a write to a dropped month");
  if (disk_->rows.contains(own)) return own;
  const Place shared{Table::log, own.month, TenantId(0)};
  HR_CHECK(disk_->rows.contains(shared) && "a write to a month without a family");
  return shared;
}

void MemStore::apply(const WriteSet& set) {
  for (const Mutation& mutation : set.mutations()) apply(mutation);
  std::string sequence;
  append_be(&sequence, set.sequence);
  disk_->rows[kState][applied_key(set.shard)] = sequence;
  disk_->applied[set.shard] = set.sequence;
}

void MemStore::apply(const Mutation& mutation) {
  Rows& rows = disk_->rows[family(mutation.place)];
  switch (mutation.op) {
    case Op::put:
    case Op::put_batch:
      rows[mutation.key] = value_of(mutation);
      return;
    case Op::remove:
    case Op::single_remove:
      rows.erase(mutation.key);
      return;
    case Op::remove_range:
      rows.erase(rows.lower_bound(mutation.key), rows.lower_bound(mutation.end));
      return;
  }
  HR_UNREACHABLE("operation of a mutation");
}

void MemStore::answer_reads() {
  for (size_t left = reads_.size(); left > 0; --left) {
    const auto next = reads_.front();
    reads_.pop_front();
    std::visit([this](auto* request) { answer(request); }, next);
  }
}

void MemStore::answer(Read* read) {
  read->status = Status::ok;
  for (size_t i = 0; i < read->items.size(); ++i) {
    Read::Item& item = read->items[i];
    const Rows* rows = find_family(item.place);
    if (rows == nullptr) {
      read->status = Status::gone;
      continue;
    }
    const auto row = rows->find(item.key);
    item.found = row != rows->end();
    item.value = SharedBytes();
    if (item.found && read->wants(i, row->second)) item.value = SharedBytes::copy_of(row->second);
  }
  read->sink->post(read);
}

// The rows a reader of `place` sees; nullptr if the month is gone.
const MemStore::Rows* MemStore::find_family(const Place& place) const {
  static const Rows kNone;
  const Place own = normalized(place);
  auto found = disk_->rows.find(own);
  if (found != disk_->rows.end()) return &found->second;
  if (own.table != Table::log) return &kNone;
  found = disk_->rows.find({Table::log, own.month, TenantId(0)});
  return found != disk_->rows.end() ? &found->second : nullptr;
}

void MemStore::answer(Scan* scan) {
  scan->rows.clear();
  scan->more = false;
  const Rows* rows = find_family(scan->place);
  scan->status = rows != nullptr ? Status::ok : Status::gone;
  if (rows != nullptr && scan->from < scan->to) {
    const auto first = rows->lower_bound(scan->from);
    const auto last = rows->lower_bound(scan->to);
    if (scan->reverse) {
      take_rows(scan, std::reverse_iterator(last), std::reverse_iterator(first));
    } else {
      take_rows(scan, first, last);
    }
  }
  scan->sink->post(scan);
}

void MemStore::answer(Work* work) {
  work->execute();
  work->sink->post(work);
}

// The first row always fits, so that every scan makes progress.
template <class Iterator>
void MemStore::take_rows(Scan* scan, Iterator at, Iterator end) const {
  size_t rows = 0;
  size_t bytes = 0;
  for (; at != end; ++at) {
    bytes += at->first.size() + at->second.size();
    if (rows > 0 && (rows >= scan->max_rows || bytes > scan->max_bytes)) {
      scan->more = true;
      return;
    }
    ++rows;
    if (!scan->wants(at->first.view(), at->second)) continue;
    scan->rows.push_back(
        {at->first, scan->keys_only ? SharedBytes() : SharedBytes::copy_of(at->second)});
  }
}

void MemStore::settle() {
  while (!idle()) {
    write_pending();
    sync();
    answer_reads();
  }
}

bool MemStore::idle() const {
  return submitted_.empty() && written_.empty() && reads_.empty();
}

void MemStore::crash(size_t keep) {
  HR_CHECK(!dead_ && keep <= disk_->unsynced.size());
  disk_->unsynced.resize(keep);
  for (const WriteSet& set : std::exchange(disk_->unsynced, {})) apply(set);
  submitted_.clear();
  written_.clear();
  reads_.clear();
  dead_ = true;
}

}  // namespace headrace::storage
