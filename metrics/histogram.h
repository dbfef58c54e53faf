// Distribution of durations in microseconds: Boost.Histogram with a logarithmic axis from 1 us to
// 134 s (27 octaves of 14 bins, each 5 % wide) and its thread-safe counters.
//
// One thread records; any thread takes a snapshot at any time. Boost's headers stay in
// histogram.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace headrace::metrics {

// A copy of the counts at one moment: merged, asked for quantiles, exposed.
class HistogramSnapshot {
 public:
  HistogramSnapshot();

  void merge(const HistogramSnapshot& other);

  uint64_t count() const;
  int64_t sum_us() const { return sum_us_; }
  int64_t max_us() const { return max_us_; }

  // The duration that a share `q` (0..1) of all recorded ones does not exceed, within 2.5 % and
  // never above max_us(); 0 when nothing was recorded.
  int64_t quantile_us(double q) const;

  // How many lie below 2^octave us, for octave 0..kOctaves.
  uint64_t count_below_octave(int octave) const;

  static constexpr int kOctaves = 27;
  static constexpr int kBinsPerOctave = 14;

 private:
  friend class Histogram;

  std::vector<uint64_t> counts_;  // [0] below 1 us, then the bins, then above the range
  int64_t sum_us_ = 0;
  int64_t max_us_ = 0;
};

class Histogram {
 public:
  Histogram();
  ~Histogram();
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  // `count` things that took so long each; below 0 counts as 0.
  void record(int64_t duration_us, uint64_t count = 1);
  HistogramSnapshot snapshot() const;

 private:
  struct Bins;
  std::unique_ptr<Bins> bins_;
};

}  // namespace headrace::metrics
