// What happened to the events of one topic, by type: published, acked, failed attempts, dead
// letters, how long handlers took. Counted here since the last slot began; rows of the family
// rollup hold the slots before, so that 24 hours are read without the log.
//
// Lives on: the topic's shard, shared by its partitions and groups. Counts of the last seconds
// before a crash are lost.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/text_hash.h"
#include "storage/batch.h"
#include "storage/types.h"

namespace headrace::records {
class TypeRollup;
}

namespace headrace::core {

// Durations in bins of a ninth more than the one before: from 1 us on, 8 to the octave.
class DurationBins {
 public:
  void add(int64_t duration_us, uint64_t count);
  void add_bin(uint32_t bin, uint64_t count);
  // The duration that a share of them does not exceed, within 5 %; 0: there are none.
  int64_t quantile_us(double share) const;
  const std::vector<uint64_t>& counts() const {
    return counts_;
  }  // by bin, as far as there are any

 private:
  std::vector<uint64_t> counts_;
};

struct TypeCounts {
  uint64_t published = 0;
  uint64_t acked = 0;
  uint64_t failed = 0;  // attempts
  uint64_t dead = 0;
  DurationBins durations;  // from delivery to outcome, of acked ones and failed attempts

  bool any() const { return published + acked + failed + dead > 0; }
};

class TypeRollup {
 public:
  using TypeId = uint16_t;               // of this object, dense
  static constexpr TypeId kUnknown = 0;  // nobody looked, or there are too many types

  // `changed` is called with the first count since the last encode().
  explicit TypeRollup(std::function<void()> changed);

  TypeId id_of(std::string_view type);
  void published(const storage::Summary& summary, int32_t events);
  void acked(TypeId type, uint64_t events, int64_t duration_us);
  void failed(TypeId type, int64_t duration_us);
  void dead(TypeId type);

  void encode(records::TypeRollup* row);
  void begin_slot();  // counts from zero
  template <class Visit>
  void each(Visit&& visit) const {
    for (size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i].any()) visit(names_[i], i == kUnknown, counts_[i]);
    }
  }

 private:
  TypeCounts& touch(TypeId type);

  const std::function<void()> changed_;
  bool dirty_ = false;
  TextMap<TypeId> ids_;
  std::vector<std::string> names_;  // by id
  std::vector<TypeCounts> counts_;  // likewise
};
using TypeRollupPtr = std::shared_ptr<TypeRollup>;

// The types of a batch's events, or of one of them.
struct BatchTypes {
  Offset first;
  std::vector<TypeRollup::TypeId> ids;  // from `first` on; only one: of all

  TypeRollup::TypeId of(Offset offset) const {
    if (ids.size() == 1) return ids.front();
    return ids[static_cast<size_t>(offset - first)];
  }
};
using BatchTypesPtr = std::shared_ptr<const BatchTypes>;

}  // namespace headrace::core
