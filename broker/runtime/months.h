// Which months have a log family, and making the next one days ahead: a partition rolls into a new
// month only once its family exists. The reactor that owns the meta shard makes them for all.
//
// Lives on: each reactor.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "metrics/time.h"
#include "storage/month.h"
#include "storage/store.h"

namespace headrace::runtime {

class MonthKeeper {
 public:
  static constexpr int64_t kAheadUs = int64_t{5} * 24 * 3600 * kMicrosPerSecond;

  explicit MonthKeeper(std::vector<Month> existing) : existing_(std::move(existing)) {
    std::sort(existing_.begin(), existing_.end());
  }

  std::optional<Month> newest_until(Month wanted) const {
    auto after = std::upper_bound(existing_.begin(), existing_.end(), wanted);
    if (after != existing_.begin()) return *std::prev(after);
    // The clock went back to before all of them: the log goes on in the first there is.
    if (existing_.empty()) return std::nullopt;
    return existing_.front();
  }
  void add(Month month) {
    auto at = std::lower_bound(existing_.begin(), existing_.end(), month);
    if (at == existing_.end() || *at != month) existing_.insert(at, month);
  }
  bool has(Month month) const {
    return std::binary_search(existing_.begin(), existing_.end(), month);
  }

  // The month that should be made now, if any: the current one, or the one that begins soon.
  std::optional<Month> due(int64_t wall_us) const {
    const Month current = storage::month_of(wall_us);
    if (!has(current)) return current;
    const Month soon = storage::month_of(wall_us + kAheadUs);
    if (!has(soon)) return soon;
    return std::nullopt;
  }

  // The request on its way, at most one.
  struct Creation final : storage::Maintenance {
    void run() override { done(); }
    std::function<void()> done;
    bool under_way = false;
  };
  Creation& creation() { return creation_; }

 private:
  std::vector<Month> existing_;  // sorted
  Creation creation_;
};

}  // namespace headrace::runtime
