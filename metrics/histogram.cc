#include "metrics/histogram.h"

#include <algorithm>
#include <atomic>
#include <boost/histogram/accumulators/count.hpp>
#include <boost/histogram/axis/regular.hpp>
#include <boost/histogram/histogram.hpp>
#include <boost/histogram/make_histogram.hpp>
#include <boost/histogram/storage_adaptor.hpp>
#include <cmath>
#include <numeric>

#include "metrics/check.h"

namespace headrace::metrics {
namespace {

namespace bh = boost::histogram;

constexpr int kBins = HistogramSnapshot::kOctaves * HistogramSnapshot::kBinsPerOctave;

// Whole microseconds are counted half a one up: none sits on the edge of a bin, where rounding
// would decide.
constexpr double kHalf = 0.5;

using Axis = bh::axis::regular<double, bh::axis::transform::log>;
using SafeCount = bh::accumulators::count<uint64_t, true>;

Axis make_axis() {
  return Axis(kBins, 1.0, std::ldexp(1.0, HistogramSnapshot::kOctaves), "duration_us");
}

auto make_bins() {
  return bh::make_histogram_with(bh::dense_storage<SafeCount>(), make_axis());
}

}  // namespace

HistogramSnapshot::HistogramSnapshot() : counts_(kBins + 2, 0) {}

void HistogramSnapshot::merge(const HistogramSnapshot& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  sum_us_ += other.sum_us_;
  max_us_ = std::max(max_us_, other.max_us_);
}

uint64_t HistogramSnapshot::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

int64_t HistogramSnapshot::quantile_us(double q) const {
  const uint64_t total = count();
  if (total == 0) return 0;
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  const uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(wanted)));
  size_t slot = 0;
  for (uint64_t seen = 0; slot < counts_.size(); ++slot) {
    seen += counts_[slot];
    if (seen >= rank) break;
  }
  if (slot == 0) return 0;
  if (slot > kBins) return max_us_;
  static const Axis axis = make_axis();
  const auto bin = axis.bin(static_cast<int>(slot) - 1);
  const double middle = std::sqrt(bin.lower() * bin.upper()) - kHalf;
  return std::min(max_us_, static_cast<int64_t>(std::llround(middle)));
}

uint64_t HistogramSnapshot::count_below_octave(int octave) const {
  HR_CHECK(octave >= 0 && octave <= kOctaves);
  const auto end = counts_.begin() + 1 + octave * kBinsPerOctave;
  return std::accumulate(counts_.begin(), end, uint64_t{0});
}

struct Histogram::Bins {
  decltype(make_bins()) counts = make_bins();
  std::atomic<int64_t> sum_us{0};
  std::atomic<int64_t> max_us{0};
};

Histogram::Histogram() : bins_(std::make_unique<Bins>()) {}
Histogram::~Histogram() = default;

void Histogram::record(int64_t duration_us, uint64_t count) {
  duration_us = std::max<int64_t>(0, duration_us);
  bins_->counts(static_cast<double>(duration_us) + kHalf, bh::weight(count));
  const auto relaxed = std::memory_order_relaxed;
  bins_->sum_us.store(bins_->sum_us.load(relaxed) + duration_us * static_cast<int64_t>(count),
                      relaxed);
  if (duration_us > bins_->max_us.load(relaxed)) bins_->max_us.store(duration_us, relaxed);
}

HistogramSnapshot Histogram::snapshot() const {
  HistogramSnapshot copy;
  for (int i = -1; i <= kBins; ++i) {
    copy.counts_[static_cast<size_t>(i + 1)] = bins_->counts.at(i).value();
  }
  copy.sum_us_ = bins_->sum_us.load(std::memory_order_relaxed);
  copy.max_us_ = bins_->max_us.load(std::memory_order_relaxed);
  return copy;
}

}  // namespace headrace::metrics
