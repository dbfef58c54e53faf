// What topics have in each month, summed up. Pure.
#pragma once

#include <cstdint>
#include <map>

#include "headrace.pb.h"
#include "json/json_line.h"

namespace headrace {

struct MonthSum {
  int64_t topics = 0;
  int64_t partitions = 0;
  int64_t events = 0;
  int64_t bytes = 0;
};

// By YYYYMM. Of a partition's oldest month counts what is left of it.
using MonthSums = std::map<uint32_t, MonthSum>;

void add_months(const proto::DescribeTopicOk& topic, MonthSums* sums);
// `current`: the month that is not over.
void month_fields(JsonLine* line, uint32_t month, const MonthSum& sum, uint32_t current);

}  // namespace headrace
