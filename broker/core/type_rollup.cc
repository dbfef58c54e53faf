#include "broker/core/type_rollup.h"

#include <algorithm>
#include <cmath>

#include "broker/limits.h"
#include "metrics/check.h"
#include "records.pb.h"

namespace headrace::core {
namespace {

constexpr double kBinsPerOctave = 8;
constexpr size_t kBins = 27 * 8;  // to 134 s, then all in the last one

}  // namespace

void DurationBins::add(int64_t duration_us, uint64_t count) {
  const double octave = std::log2(static_cast<double>(std::max<int64_t>(duration_us, 1)));
  add_bin(static_cast<uint32_t>(octave * kBinsPerOctave), count);
}

void DurationBins::add_bin(uint32_t bin, uint64_t count) {
  const size_t at = std::min<size_t>(bin, kBins - 1);
  if (counts_.size() <= at) counts_.resize(at + 1);
  counts_[at] += count;
}

int64_t DurationBins::quantile_us(double share) const {
  uint64_t total = 0;
  for (const uint64_t count : counts_) total += count;
  if (total == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total)));
  uint64_t seen = 0;
  size_t bin = 0;
  for (; bin + 1 < counts_.size(); ++bin) {
    seen += counts_[bin];
    if (seen >= wanted) break;
  }
  return static_cast<int64_t>(std::exp2((static_cast<double>(bin) + 0.5) / kBinsPerOctave));
}

TypeRollup::TypeRollup(std::function<void()> changed)
    : changed_(std::move(changed)), names_(1), counts_(1) {}

TypeRollup::TypeId TypeRollup::id_of(std::string_view type) {
  const auto known = ids_.find(type);
  if (known != ids_.end()) return known->second;
  if (names_.size() > limits::kRollupTypesPerTopic) return kUnknown;
  const auto id = static_cast<TypeId>(names_.size());
  names_.emplace_back(type);
  counts_.emplace_back();
  ids_.emplace(std::string(type), id);
  return id;
}

TypeCounts& TypeRollup::touch(TypeId type) {
  HR_CHECK(type < counts_.size());
  if (!dirty_) {
    dirty_ = true;
    changed_();
  }
  return counts_[type];
}

void TypeRollup::published(const storage::Summary& summary, int32_t events) {
  if (summary.types_unknown) {
    touch(kUnknown).published += static_cast<uint64_t>(events);
    return;
  }
  for (const auto& [type, count] : summary.types) touch(id_of(type)).published += count;
}

void TypeRollup::acked(TypeId type, uint64_t events, int64_t duration_us) {
  TypeCounts& counts = touch(type);
  counts.acked += events;
  counts.durations.add(duration_us, events);
}

void TypeRollup::failed(TypeId type, int64_t duration_us) {
  TypeCounts& counts = touch(type);
  ++counts.failed;
  counts.durations.add(duration_us, 1);
}

void TypeRollup::dead(TypeId type) {
  ++touch(type).dead;
}

void TypeRollup::encode(records::TypeRollup* row) {
  dirty_ = false;
  each([&](const std::string& name, bool unknown, const TypeCounts& counts) {
    auto* type = row->add_types();
    type->set_name(name);
    type->set_unknown(unknown);
    type->set_published(counts.published);
    type->set_acked(counts.acked);
    type->set_failed(counts.failed);
    type->set_dead(counts.dead);
    const auto& bins = counts.durations.counts();
    for (uint32_t bin = 0; bin < bins.size(); ++bin) {
      if (bins[bin] == 0) continue;
      type->add_bins(bin);
      type->add_bin_counts(bins[bin]);
    }
  });
}

void TypeRollup::begin_slot() {
  std::ranges::fill(counts_, TypeCounts());
}

}  // namespace headrace::core
