#include "storage/rocks/reads.h"

#include <functional>
#include <memory>
#include <vector>

#include "metrics/log.h"
#include "storage/rocks/slice.h"

namespace headrace::storage {
namespace {

// Auto-readahead and the block cache serve neighbours; scans of whole ranges must not evict them.
constexpr size_t kCachedScanBytes = 256u << 10;

std::string_view view(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}
SharedBytes copy(const rocksdb::Slice& bytes) {
  return SharedBytes::copy_of(view(bytes));
}

// A snapshot whose rows are all synced.
class SyncedSnapshot {
 public:
  SyncedSnapshot(rocksdb::DB* db, const Committer& committer, Syncer* syncer)
      : db_(db), snapshot_(db->GetSnapshot()) {
    valid_ = syncer->wait_synced(committer.last_started());
  }
  ~SyncedSnapshot() { db_->ReleaseSnapshot(snapshot_); }
  SyncedSnapshot(const SyncedSnapshot&) = delete;
  SyncedSnapshot& operator=(const SyncedSnapshot&) = delete;

  bool valid() const { return valid_; }
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* const db_;
  const rocksdb::Snapshot* const snapshot_;
  bool valid_ = false;
};

void fill_rows(rocksdb::Iterator* it, Scan* scan) {
  size_t rows = 0;
  size_t bytes = 0;
  for (; it->Valid(); scan->reverse ? it->Prev() : it->Next()) {
    bytes += it->key().size() + it->value().size();
    // The first row always fits: every scan makes progress.
    if (rows > 0 && (rows >= scan->max_rows || bytes > scan->max_bytes)) {
      scan->more = true;
      return;
    }
    ++rows;
    if (!scan->wants(view(it->key()), view(it->value()))) continue;
    scan->rows.push_back(
        {Key(view(it->key())), scan->keys_only ? SharedBytes() : copy(it->value())});
  }
}

}  // namespace

Status Reader::note(const rocksdb::Status& status, const Key& key) const {
  if (status.ok() || status.IsNotFound()) {
    breaker_->succeeded();
    return Status::ok;
  }
  log::error("reading the store failed", {{"cause", status.ToString()}});
  breaker_->failed(std::hash<std::string_view>()(key.view()), status);
  return status.IsCorruption() ? Status::corrupt : Status::io_error;
}

bool Reader::execute(Read* read) const {
  const size_t count = read->items.size();
  read->status = Status::ok;
  // Holders first: a month dropped from here on stays readable for this read.
  std::vector<FamilyRef> families;
  std::vector<size_t> wanted;  // items whose family exists
  for (size_t i = 0; i < count; ++i) {
    read->items[i].found = false;
    FamilyRef family = families_->for_read(read->items[i].place);
    if (family == nullptr) {
      read->status = Status::gone;
      continue;
    }
    families.push_back(std::move(family));
    wanted.push_back(i);
  }
  const SyncedSnapshot snapshot(db_, *committer_, syncer_);
  if (!snapshot.valid()) return false;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  std::vector<rocksdb::Slice> keys;
  for (size_t i = 0; i < wanted.size(); ++i) {
    handles.push_back(families[i]->handle());
    keys.push_back(slice(read->items[wanted[i]].key));
  }
  std::vector<rocksdb::PinnableSlice> values(wanted.size());
  std::vector<rocksdb::Status> statuses(wanted.size());
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.get();
  db_->MultiGet(options, wanted.size(), handles.data(), keys.data(), values.data(),
                statuses.data());
  for (size_t i = 0; i < wanted.size(); ++i) {
    Read::Item& item = read->items[wanted[i]];
    item.found = statuses[i].ok();
    if (item.found && read->wants(wanted[i], view(values[i]))) item.value = copy(values[i]);
    const Status status = note(statuses[i], item.key);
    if (status != Status::ok) read->status = status;
    values[i].Reset();
  }
  return true;
}

bool Reader::execute(Scan* scan) const {
  scan->status = Status::ok;
  scan->rows.clear();
  scan->more = false;
  const FamilyRef family = families_->for_read(scan->place);
  if (family == nullptr) {
    scan->status = Status::gone;
    return true;
  }
  if (scan->from >= scan->to) return true;
  const SyncedSnapshot snapshot(db_, *committer_, syncer_);
  if (!snapshot.valid()) return false;
  const rocksdb::Slice lower = slice(scan->from);
  const rocksdb::Slice upper = slice(scan->to);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.get();
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  options.fill_cache = scan->max_bytes <= kCachedScanBytes;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, family->handle()));
  scan->reverse ? it->SeekToLast() : it->SeekToFirst();
  fill_rows(it.get(), scan);
  // Part of a result would look like all of it.
  scan->status = note(it->status(), scan->from);
  if (scan->status != Status::ok) scan->rows.clear();
  return true;
}

}  // namespace headrace::storage
