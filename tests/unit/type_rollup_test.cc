#include "broker/core/type_rollup.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "broker/limits.h"
#include "records.pb.h"

namespace headrace::core {
namespace {

struct Counted {
  TypeRollup rollup{[this] { ++changes; }};
  int changes = 0;

  std::map<std::string, uint64_t> published() const {
    std::map<std::string, uint64_t> counts;
    rollup.each([&](const std::string& name, bool unknown, const TypeCounts& type) {
      counts[unknown ? "?" : name] = type.published;
    });
    return counts;
  }
};

storage::Summary summary_of(std::vector<storage::Summary::TypeCount> types) {
  storage::Summary summary;
  summary.types = std::move(types);
  return summary;
}

TEST(TypeRollup, CountsByTypeAndSaysOnceThatItChanged) {
  Counted counted;
  counted.rollup.published(summary_of({{"a", 2}, {"", 1}}), 3);
  counted.rollup.published(summary_of({{"a", 1}}), 1);
  storage::Summary unknown;
  unknown.types_unknown = true;
  counted.rollup.published(unknown, 7);
  EXPECT_EQ(counted.published(), (std::map<std::string, uint64_t>{{"a", 3}, {"", 1}, {"?", 7}}));
  EXPECT_EQ(counted.changes, 1);
  records::TypeRollup row;
  counted.rollup.encode(&row);
  EXPECT_EQ(row.types_size(), 3);
  counted.rollup.dead(counted.rollup.id_of("a"));
  EXPECT_EQ(counted.changes, 2);
  counted.rollup.begin_slot();
  EXPECT_TRUE(counted.published().empty());
}

TEST(TypeRollup, OneTypeTooManyIsUnknown) {
  Counted counted;
  for (size_t i = 0; i < limits::kRollupTypesPerTopic; ++i) {
    EXPECT_NE(counted.rollup.id_of("t" + std::to_string(i)), TypeRollup::kUnknown);
  }
  EXPECT_EQ(counted.rollup.id_of("more"), TypeRollup::kUnknown);
  EXPECT_NE(counted.rollup.id_of("t7"), TypeRollup::kUnknown);
}

TEST(DurationBins, QuantilesAreWithinFivePerCent) {
  DurationBins bins;
  EXPECT_EQ(bins.quantile_us(0.5), 0);
  for (int i = 1; i <= 1'000; ++i) bins.add(i * 100, 1);
  EXPECT_NEAR(static_cast<double>(bins.quantile_us(0.5)), 50'000, 2'500);
  EXPECT_NEAR(static_cast<double>(bins.quantile_us(0.95)), 95'000, 4'750);
  bins.add(INT64_MAX, 1'000'000);  // all beyond the range is one bin
  EXPECT_GT(bins.quantile_us(0.5), 100'000'000);
  bins.add(-5, 1);
}

TEST(BatchTypes, OneStandsForAll) {
  const BatchTypes one{Offset(10), {3}};
  EXPECT_EQ(one.of(Offset(10)), 3);
  EXPECT_EQ(one.of(Offset(99)), 3);
  const BatchTypes each{Offset(10), {3, 4}};
  EXPECT_EQ(each.of(Offset(11)), 4);
}

}  // namespace
}  // namespace headrace::core
