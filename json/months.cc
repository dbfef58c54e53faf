#include "json/months.h"

#include <algorithm>
#include <set>

namespace headrace {

void add_months(const proto::DescribeTopicOk& topic, MonthSums* sums) {
  std::set<uint32_t> seen;
  for (const auto& info : topic.partitions()) {
    int64_t behind_bytes = 0;  // the oldest month
    for (int i = 1; i < info.months_size(); ++i) behind_bytes += info.months(i).bytes();
    for (int i = 0; i < info.months_size(); ++i) {
      const auto& month = info.months(i);
      const int64_t gone = std::max<int64_t>(info.log_start() - month.first_offset(), 0);
      const int64_t events = month.events() - std::min(gone, month.events());
      if (events == 0) continue;
      MonthSum& sum = (*sums)[month.month()];
      sum.topics += seen.insert(month.month()).second ? 1 : 0;
      ++sum.partitions;
      sum.events += events;
      sum.bytes += i == 0 ? info.bytes() - behind_bytes : month.bytes();
    }
  }
}

void month_fields(JsonLine* line, uint32_t month, const MonthSum& sum, uint32_t current) {
  line->number("month", month)
      .number("topics", sum.topics)
      .number("partitions", sum.partitions)
      .number("events", sum.events)
      .number("bytes", sum.bytes)
      .boolean("over", month < current);
}

}  // namespace headrace
