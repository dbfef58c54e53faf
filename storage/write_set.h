// The one door to durability. Everything the requests of one turn change in one shard is one
// WriteSet: applied atomically, in sequence, or not at all. It holds results (offsets, stamps, due
// times), never "now + 5 s", and is serialisable, so that replication later ships it as it is.
//
// Lives on: built by the shard's reactor, moved into the store, read-only from then on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "metrics/shared_bytes.h"
#include "storage/envelope.h"
#include "storage/keys.h"
#include "storage/types.h"

namespace headrace::storage {

// Which family a key lives in. `month` and `tenant` choose the log family; other tables ignore
// both.
struct Place {
  Table table = Table::state;
  Month month{0};
  TenantId tenant{0};

  auto operator<=>(const Place&) const = default;
};

inline Place state_place(TenantId tenant) {
  return {Table::state, Month(0), tenant};
}

// Fixed numbers: serialised.
enum class Op : uint8_t {
  put = 1,        // value = `value`
  put_batch = 2,  // value = envelope, violations if there are any, then `batch` (log table only)
  remove = 3,
  single_remove = 4,  // the key was written exactly once (retry family)
  remove_range = 5,   // [key, end)
};

struct Mutation {
  Op op = Op::put;
  Place place;
  Key key;
  Key end;            // remove_range only
  std::string value;  // put; of put_batch the violations, encoded
  Envelope envelope;  // put_batch only
  SharedBytes batch;  // put_batch only: record batch v2, base offset and epoch already patched

  // Key and value as a budget counts them.
  size_t bytes() const {
    return key.size() + end.size() + value.size() +
           (op == Op::put_batch ? kEnvelopeSize + batch.size() : 0);
  }
};

class WriteSet {
 public:
  ShardId shard;
  Epoch epoch;
  uint64_t sequence = 0;                       // applied only if it is applied(shard) + 1
  Durability durability = Durability::memory;  // the strongest asked for in it

  // A key written twice keeps the last value (H1). Appends are exempt from the look-up: offsets
  // make their keys unique.
  void put(const Place& place, const Key& key, std::string value);
  // `violations`: those of the batch, encoded; empty: it has none.
  void put_batch(const Place& place, const Key& key, const Envelope& envelope, SharedBytes batch,
                 std::string violations = {});
  void remove(const Place& place, const Key& key);
  // For keys that are written once and removed once, in different sets (retry family).
  void single_remove(const Place& place, const Key& key);
  void remove_range(const Place& place, const Key& from, const Key& to);
  void strengthen(Durability asked) { durability = std::max(durability, asked); }

  bool empty() const { return mutations_.empty(); }
  size_t bytes() const { return bytes_; }  // keys + values: what budgets count
  const std::vector<Mutation>& mutations() const { return mutations_; }
  void clear();

  std::string serialize() const;  // docs/formats.md
  // nullopt unless `from` is exactly one serialised set with a valid checksum.
  static std::optional<WriteSet> parse(std::span<const std::byte> from);
  std::string to_text() const;  // goldens: a line a mutation

 private:
  Mutation& replace_or_add(const Place& place, const Key& key);
  Mutation& add(Op op, const Place& place, const Key& key);
  size_t slot_of(const Place& place, const Key& key) const;
  void grow_index();

  std::vector<Mutation> mutations_;
  size_t bytes_ = 0;
  // Open-addressing hash of put and remove mutations: position + 1, 0 = free. Those before the last
  // remove_range are not in it: replacing one of them in place would let the range remove it.
  std::vector<uint32_t> index_;
  size_t indexed_ = 0;
};

}  // namespace headrace::storage
