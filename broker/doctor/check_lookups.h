// Look-up rows against the batches they are about: a search that trusts a wrong one misses events.
#pragma once

#include <map>

#include "broker/doctor/facts.h"
#include "storage/lookup_rows.h"

namespace headrace::doctor {

// Of one log family. Remembers the chunks of one segment at a time, then reads its rows.
class LookupCheck {
 public:
  LookupCheck(const storage::ReadOnlyStore& store, const storage::Place& place, Check* check)
      : store_(store), place_(place), check_(check) {}

  // The next chunk, of `partition` `key`; empty `rows`: its batches are not known in full.
  void expect(const PartitionKey& key, const Partition& partition, Offset base,
              const std::vector<storage::LookupBuilder::Row>& rows);
  void flush();  // before the next partition, and at the end

 private:
  struct Digest {
    uint64_t rows = 0;
    uint64_t sum = 0;
    void add(uint8_t bucket, std::string_view row);
    bool operator==(const Digest&) const = default;
  };
  struct Chunk {
    bool comparable = false;
    bool required = false;
    Digest wanted;
    Digest found;
  };

  void find(Offset base, const std::string& what);

  const storage::ReadOnlyStore& store_;
  const storage::Place place_;
  Check* const check_;
  PartitionKey key_;
  Offset log_start_;
  int64_t segment_ = -1;
  std::map<Offset, Chunk> chunks_;
};

}  // namespace headrace::doctor
