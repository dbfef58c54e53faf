#include "storage/rocks/group_writer.h"

#include <algorithm>
#include <array>
#include <string>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/rocks/slice.h"

namespace headrace::storage {
namespace {

constexpr std::string_view kGroupRow = "group";
constexpr uint8_t kLogDataVersion = 1;
constexpr uint8_t kFirstOfOpen = 0x80;
constexpr size_t kLogDataSize = 25;
// RocksDB's batch header: sequence number and count, both filled in by the write itself.
constexpr size_t kBatchHeader = 12;

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

template <class T>
std::string big_endian(T value) {
  std::string bytes(sizeof(T), '\0');
  store_be(reinterpret_cast<std::byte*>(bytes.data()), value);
  return bytes;
}

template <class T>
T parse_big_endian(std::string_view bytes) {
  HR_CHECK(bytes.size() >= sizeof(T));
  return load_be<T>(reinterpret_cast<const std::byte*>(bytes.data()));
}

// 0 if there is no such row.
template <class T>
rocksdb::Status read_number(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family,
                            rocksdb::Slice key, T* number) {
  std::string value;
  const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), family, key, &value);
  if (status.IsNotFound()) return rocksdb::Status::OK();
  if (!status.ok()) return status;
  if (value.size() != sizeof(T))
    return rocksdb::Status::Corruption("a number row has a wrong size");
  *number = parse_big_endian<T>(value);
  return status;
}

}  // namespace

rocksdb::Status read_last_group(rocksdb::DB* db, const Families& families, uint64_t* number) {
  *number = 0;
  return read_number(db, families.bookkeeping(), slice(kGroupRow), number);
}

GroupWriter::Shard& GroupWriter::shard(ShardId id) {
  const auto [found, added] = shards_.try_emplace(id);
  Shard& state = found->second;
  if (added) {
    auto* family = families_->for_write({Table::state});
    const auto applied = read_number(db_, family, slice(applied_key(id)), &state.applied);
    const auto epoch = read_number(db_, family, slice(epoch_key(id)), &state.epoch);
    // Guessing a sequence could apply a set twice.
    HR_CHECK(applied.ok() && epoch.ok());
  }
  return state;
}

void GroupWriter::begin() {
  if (!sealed_) return;
  batch_.Clear();
  sealed_ = false;
}

void GroupWriter::add(Commit* commit) {
  begin();
  const WriteSet& set = commit->set;
  Shard& state = shard(set.shard);
  commit->status = Status::ok;
  if (set.epoch.value() < state.epoch) {
    commit->status = Status::fenced;
    return;
  }
  if (set.sequence <= state.applied) return;    // a repeat: what it holds is in the store already
  HR_CHECK(set.sequence == state.applied + 1);  // a gap would lose the set in between
  const Key epoch_row = epoch_key(set.shard);
  for (const Mutation& mutation : set.mutations()) {
    apply(mutation);
    if (mutation.op == Op::put && mutation.place.table == Table::state &&
        mutation.key == epoch_row) {
      state.epoch = std::max(state.epoch, parse_big_endian<uint32_t>(mutation.value));
    }
  }
  state.applied = set.sequence;
  if (!state.dirty) dirty_.push_back(set.shard);
  state.dirty = true;
}

void GroupWriter::apply(const Mutation& mutation) {
  auto* family = families_->for_write(mutation.place);
  // Months are made ahead and sealed before they are dropped: a set that names another is a bug.
  HR_CHECK(family != nullptr);
  const rocksdb::Slice key = slice(mutation.key);
  rocksdb::Status status;
  switch (mutation.op) {
    case Op::put:
      status = batch_.Put(family, key, mutation.value);
      break;
    case Op::put_batch: {
      const auto envelope = mutation.envelope.encode();
      const std::array<rocksdb::Slice, 3> parts{
          rocksdb::Slice(reinterpret_cast<const char*>(envelope.data()), envelope.size()),
          rocksdb::Slice(mutation.value), slice(mutation.batch.view())};
      status = batch_.Put(family, rocksdb::SliceParts(&key, 1),
                          rocksdb::SliceParts(parts.data(), static_cast<int>(parts.size())));
      break;
    }
    case Op::remove:
      status = batch_.Delete(family, key);
      break;
    case Op::single_remove:
      status = batch_.SingleDelete(family, key);
      break;
    case Op::remove_range:
      status = batch_.DeleteRange(family, key, slice(mutation.end));
      break;
  }
  HR_CHECK(status.ok());  // RocksDB refuses only keys and values beyond 4 GiB here
}

void GroupWriter::remove_range(const FamilyRef& family, const Key& from, const Key& to) {
  begin();
  HR_CHECK(batch_.DeleteRange(family->handle(), slice(from), slice(to)).ok());
}

uint64_t GroupWriter::seal(uint64_t synced) {
  HR_CHECK(!sealed_);
  auto* state_family = families_->for_write({Table::state});
  for (const ShardId id : dirty_) {
    Shard& state = shards_[id];
    const std::string value = big_endian(state.applied);
    HR_CHECK(batch_.Put(state_family, slice(applied_key(id)), value).ok());
    state.dirty = false;
  }
  dirty_.clear();
  ++number_;
  HR_CHECK(batch_.Put(families_->bookkeeping(), slice(kGroupRow), big_endian(number_)).ok());

  std::array<std::byte, kLogDataSize> data{};
  data[0] = std::byte(kLogDataVersion | (first_ ? kFirstOfOpen : 0));
  store_be(data.data() + 1, number_);
  store_be(data.data() + 9, synced);
  const std::string& rows = batch_.Data();
  chain_ = crc32c_extend(chain_, data.data() + 1, 16);
  chain_ = crc32c_extend(chain_, rows.data() + kBatchHeader, rows.size() - kBatchHeader);
  store_be(data.data() + 17, chain_);
  store_be(data.data() + 21, static_cast<uint32_t>(rows.size() - kBatchHeader));
  const rocksdb::Slice blob(reinterpret_cast<const char*>(data.data()), data.size());
  HR_CHECK(batch_.PutLogData(blob).ok());
  first_ = false;
  sealed_ = true;
  return number_;
}

}  // namespace headrace::storage
