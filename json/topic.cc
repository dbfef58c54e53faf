#include "json/topic.h"

#include "json/retention.h"
#include "metrics/quantity.h"

namespace headrace {

namespace {

std::string partition_json(const proto::PartitionInfo& info) {
  std::string json;
  JsonLine line(&json);
  line.number("partition", info.partition())
      .number("log_start", info.log_start())
      .number("visible_end", info.visible_end())
      .number("bytes", info.bytes())
      .number("delayed", info.delayed());
  const auto time = [&](const char* name, int64_t time_us) {
    if (time_us > 0) line.text(name, format_time_us(time_us));
  };
  time("first_append_time", info.first_append_time_us());
  time("last_append_time", info.last_append_time_us());
  std::string months = "[";
  for (const auto& month : info.months()) {
    if (months.size() > 1) months += ',';
    JsonLine(&months)
        .number("month", month.month())
        .number("first_offset", month.first_offset())
        .number("bytes", month.bytes())
        .number("events", month.events())
        .end();
    months.pop_back();  // the line's end
  }
  line.raw("months", months + "]").end();
  json.pop_back();
  return json;
}

}  // namespace

void topic_fields(JsonLine* line, const proto::Topic& topic) {
  line->text("topic", topic.name())
      .number("partitions", topic.partitions())
      .number("id", topic.id())
      .text("state", topic.state())
      .text("retention", format_retention(topic.retention()));
  if (topic.has_dedup()) {
    line->number("dedup_window_ms", topic.dedup().window_ms())
        .number("dedup_max_ids", topic.dedup().max_ids());
  }
}

void topic_details(JsonLine* line, const proto::DescribeTopicOk& topic) {
  std::string details = "[";
  for (const auto& info : topic.partitions()) {
    if (details.size() > 1) details += ',';
    details += partition_json(info);
  }
  line->raw("partition_details", details + "]");
}

}  // namespace headrace
