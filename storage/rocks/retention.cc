#include "storage/rocks/retention.h"

#include <utility>

#include "metrics/check.h"
#include "metrics/log.h"
#include "storage/rocks/slice.h"

namespace headrace::storage {
namespace {

void complete(Maintenance* work, Status status) {
  work->status = status;
  work->sink->post(work);
}

}  // namespace

void Retention::run(Maintenance* work, Committer* committer) {
  switch (work->kind) {
    case Maintenance::Kind::create_month:
      return create(work);
    case Maintenance::Kind::drop_month:
      return drop(work, committer);
    case Maintenance::Kind::compact_range:
      return compact(work, families_->for_read(work->place), work->from, work->to);
  }
  HR_UNREACHABLE("kind of maintenance");
}

void Retention::create(Maintenance* work) {
  const rocksdb::Status status = families_->create_month(options_, work->month, work->dedicated);
  if (!status.ok()) return (*fatal_)("making the families of a month failed", status);
  complete(work, Status::ok);
}

void Retention::drop(Maintenance* work, Committer* committer) {
  Families::Dropped dropped = families_->detach(work->month, work->tenant);
  // Dropping is repeated after a crash between the drop and its receipt.
  if (dropped.family == nullptr) return complete(work, Status::ok);
  if (dropped.dedicated) {
    const rocksdb::Status status = db_->DropColumnFamily(dropped.family->handle());
    if (!status.ok()) return (*fatal_)("dropping the family of a month failed", status);
    // The last holder deletes the files, which takes as long as they are many: not here.
    workers_->submit_slow([family = std::move(dropped.family)]() mutable { family.reset(); });
    return complete(work, Status::ok);
  }
  const Key from = tenant_prefix(work->tenant);
  const Key to = from.after_prefix();
  if (!committer->remove_range_now(dropped.family, from, to)) return;
  compact(work, std::move(dropped.family), from, to);
}

void Retention::compact(Maintenance* work, FamilyRef family, const Key& from, const Key& to) {
  if (family == nullptr) return complete(work, Status::gone);
  workers_->submit_slow([this, work, family = std::move(family), from, to] {
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    // Removed rows leave their values in blob files: rewrite what lives in those files, so that
    // they can go. Only months that retention works on pay for this.
    options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
    options.blob_garbage_collection_age_cutoff = 1.0;
    const rocksdb::Slice begin = slice(from);
    const rocksdb::Slice end = slice(to);
    const rocksdb::Status status = db_->CompactRange(options, family->handle(), &begin, &end);
    // The rows are gone either way; at worst their space comes back with a later compaction.
    if (!status.ok()) log::warn("compaction failed", {{"cause", status.ToString()}});
    complete(work, status.ok() ? Status::ok : Status::io_error);
  });
}

}  // namespace headrace::storage
