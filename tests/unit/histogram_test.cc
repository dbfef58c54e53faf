#include "metrics/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <latch>
#include <random>
#include <thread>
#include <vector>

namespace headrace::metrics {
namespace {

TEST(Histogram, EmptyHasNothing) {
  const HistogramSnapshot empty = Histogram().snapshot();
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.quantile_us(0.5), 0);
  EXPECT_EQ(empty.max_us(), 0);
}

TEST(Histogram, OneValueIsEveryQuantile) {
  for (const int64_t value : {1, 2, 97, 1'000, 122'345, 30'000'000, 134'000'000}) {
    Histogram histogram;
    histogram.record(value);
    for (const double q : {0.0, 0.5, 0.999, 1.0}) {
      const auto got = static_cast<double>(histogram.snapshot().quantile_us(q));
      EXPECT_NEAR(got, static_cast<double>(value), 0.03 * static_cast<double>(value) + 0.5);
    }
  }
}

TEST(Histogram, QuantilesOfALogUniformSampleAreWithinABin) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> exponent(0.0, 8.0);
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<int64_t>(std::pow(10.0, exponent(random))));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  const HistogramSnapshot snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.count(), values.size());
  EXPECT_EQ(snapshot.max_us(), values.back());
  for (const double q : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size()))) - 1;
    const auto exact = static_cast<double>(values[rank]);
    EXPECT_NEAR(static_cast<double>(snapshot.quantile_us(q)), exact, 0.03 * exact + 0.5) << q;
  }
}

TEST(Histogram, ValuesOutsideTheAxisAreCounted) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(0);
  histogram.record(int64_t{1} << 40);
  const HistogramSnapshot snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.count(), 3u);
  EXPECT_EQ(snapshot.quantile_us(0.5), 0);
  EXPECT_EQ(snapshot.quantile_us(1.0), int64_t{1} << 40);
  EXPECT_EQ(snapshot.sum_us(), int64_t{1} << 40);
  EXPECT_EQ(snapshot.count_below_octave(HistogramSnapshot::kOctaves), 2u);
}

TEST(Histogram, OctavesCountWhatIsBelowThem) {
  Histogram histogram;
  for (int64_t value = 0; value < 1024; ++value) histogram.record(value);
  const HistogramSnapshot snapshot = histogram.snapshot();
  for (int octave = 0; octave <= 10; ++octave) {
    EXPECT_EQ(snapshot.count_below_octave(octave), uint64_t{1} << octave) << octave;
  }
}

TEST(Histogram, MergeIsTheSumOfBoth) {
  Histogram low;
  Histogram high;
  for (int i = 0; i < 90; ++i) low.record(10);
  for (int i = 0; i < 10; ++i) high.record(5'000);
  HistogramSnapshot both = low.snapshot();
  both.merge(high.snapshot());
  EXPECT_EQ(both.count(), 100u);
  EXPECT_EQ(both.sum_us(), 90 * 10 + 10 * 5'000);
  EXPECT_NEAR(static_cast<double>(both.quantile_us(0.9)), 10, 1);
  EXPECT_NEAR(static_cast<double>(both.quantile_us(0.91)), 5'000, 150);
}

TEST(Histogram, IsReadWhileItIsWritten) {
  Histogram histogram;
  constexpr uint64_t kRecords = 50'000;
  std::latch started(2);
  std::thread writer([&] {
    started.arrive_and_wait();
    for (uint64_t i = 0; i < kRecords; ++i) histogram.record(static_cast<int64_t>(i % 1000));
  });
  started.arrive_and_wait();
  uint64_t last = 0;
  while (last < kRecords) {
    const uint64_t now = histogram.snapshot().count();
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
  EXPECT_EQ(histogram.snapshot().count(), kRecords);
}

}  // namespace
}  // namespace headrace::metrics
