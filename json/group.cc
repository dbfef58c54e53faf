#include "json/group.h"

#include "json/position.h"
#include "metrics/quantity.h"

namespace headrace {

namespace {

bool is_acked(const proto::DescribeGroupOk& group) {
  return group.kind() == "acked";
}

std::string partitions_json(const proto::DescribeGroupOk& group) {
  std::string json = "[";
  for (const auto& partition : group.partitions()) {
    if (json.size() > 1) json += ',';
    JsonLine(&json)
        .number("partition", partition.partition())
        .number("committed", partition.committed())
        .number("visible_end", partition.visible_end())
        .number("lag_events", partition.lag_events())
        .real("lag_seconds", partition.lag_seconds(), 3)
        .end();
    json.pop_back();  // the line's end
  }
  return json + "]";
}

std::string members_json(const proto::DescribeGroupOk& group) {
  std::string json = "[";
  for (const auto& member : group.members()) {
    if (json.size() > 1) json += ',';
    std::string partitions = "[";
    for (const uint32_t partition : member.partitions()) {
      if (partitions.size() > 1) partitions += ',';
      partitions += std::to_string(partition);
    }
    JsonLine(&json)
        .text("member", member.member())
        .text("client", member.client())
        .raw("partitions", partitions + "]")
        .end();
    json.pop_back();
  }
  return json + "]";
}

std::string dlq_json(const proto::DlqState& dlq) {
  std::string json;
  JsonLine line(&json);
  line.number("entries", dlq.entries())
      .number("bytes", dlq.bytes())
      .number("quota_entries", dlq.quota_entries())
      .number("quota_bytes", dlq.quota_bytes())
      .text("level", dlq.level())
      .number("blocked", dlq.blocked())
      .number("dropped", dlq.dropped());
  if (dlq.hours_until_full() < 0) {
    line.null("hours_until_full");
  } else {
    line.real("hours_until_full", dlq.hours_until_full(), 2);
  }
  line.end();
  json.pop_back();
  return json;
}

template <class List>
std::string texts_json(const List& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    if (json.size() > 1) json += ',';
    append_json_string(&json, text);
  }
  return json + ']';
}

}  // namespace

std::string options_json(const proto::GroupOptions& options) {
  std::string delays = "[";
  for (const int64_t delay_ms : options.retry().delays_ms()) {
    if (delays.size() > 1) delays += ',';
    append_json_string(&delays, format_duration_us(delay_ms * 1000));
  }
  const auto duration = [](int64_t ms) { return format_duration_us(ms * 1000); };
  std::string json;
  JsonLine line(&json);
  line.raw("filters", texts_json(options.filters()))
      .raw("conditions", texts_json(options.conditions()))
      .number("priority", options.priority())
      .text("ack_deadline", duration(options.ack_deadline_ms()))
      .number("max_in_flight", options.max_in_flight())
      .number("max_retries", options.retry().max_retries())
      .text("retry_base", duration(options.retry().base_ms()))
      .real("retry_factor", options.retry().factor(), 3)
      .text("retry_cap", duration(options.retry().cap_ms()))
      .real("retry_jitter", options.retry().jitter(), 3)
      .raw("retry_delays", delays + "]")
      .text("cooldown", duration(options.cooldown_ms()))
      .number("dlq_entries", options.dlq_entries())
      .number("dlq_bytes", options.dlq_bytes())
      .text("dlq_overflow", options.dlq_overflow())
      .text("ordering", options.ordering())
      .text("from", format_position(options.from()))
      .text("keep_attempts", options.keep_attempts());
  if (options.has_schema_from()) line.number("schema_from", options.schema_from());
  if (options.has_schema_to()) line.number("schema_to", options.schema_to());
  if (!options.version_mismatch().empty()) {
    line.text("version_mismatch", options.version_mismatch());
  }
  line.end();
  json.pop_back();  // the line's end
  return json;
}

void group_fields(JsonLine* line, const proto::DescribeGroupOk& group) {
  line->text("group", group.group())
      .text("kind", group.kind())
      .text("topic", group.topic())
      .text("state", group.state())
      .number("lag_events", group.lag_events())
      .real("lag_seconds", group.lag_seconds(), 3)
      .number("in_flight", group.in_flight())
      .number("retry", group.retry())
      .number("dlq", group.dlq())
      .number("consecutive_failures", group.consecutive_failures())
      .number("members", group.members_size());
  if (!is_acked(group)) {
    line->text("membership", group.membership());
    return;
  }
  const proto::GroupTotals& totals = group.totals();
  line->number("delivered", totals.delivered())
      .number("acked", totals.acked())
      .number("failed", totals.failed())
      .number("dead", totals.dead())
      .number("released", totals.released())
      .number("skipped", totals.skipped());
  line->time_or_null("last_success", group.last_success_us());
  line->time_or_null("last_failure", group.last_failure_us());
  line->text("last_error", group.last_error()).text("state_reason", group.state_reason());
  line->time_or_null("cooldown_ends", group.cooldown_ends_us());
  line->real("failure_rate", group.failure_rate(), 4)
      .number("handler_p50_us", group.handler_p50_us())
      .number("handler_p95_us", group.handler_p95_us())
      .raw("dlq_state", dlq_json(group.dlq_state()));
}

void group_details(JsonLine* line, const proto::DescribeGroupOk& group) {
  if (is_acked(group)) {
    line->number("version", static_cast<int64_t>(group.version()))
        .raw("options", options_json(group.options()));
  } else {
    line->number("generation", group.generation());
  }
  line->raw("partition_details", partitions_json(group)).raw("member_details", members_json(group));
}

}  // namespace headrace
