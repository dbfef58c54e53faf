#include "client/cli/group_options.h"

#include "client/cli/json_line.h"
#include "client/cli/position.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

client::Error apply_retry(const GroupOptionArguments& given, proto::RetryPolicy* retry) {
  if (given.max_retries) retry->set_max_retries(*given.max_retries);
  if (given.retry_base_ms) retry->set_base_ms(*given.retry_base_ms);
  if (given.retry_factor) retry->set_factor(*given.retry_factor);
  if (given.retry_cap_ms) retry->set_cap_ms(*given.retry_cap_ms);
  if (given.retry_jitter) retry->set_jitter(*given.retry_jitter);
  // A formula that is changed shall count: an explicit list stands above it.
  if (given.retry_base_ms || given.retry_factor || !given.retry_delays.empty()) {
    retry->clear_delays_ms();
  }
  for (const std::string& text : given.retry_delays) {
    const auto delay_us = parse_duration_us(text);
    if (!delay_us) {
      return client::bad_argument("--retry-delays: '" + text + "' is not " +
                                  std::string(kDurationExample));
    }
    retry->add_delays_ms((*delay_us + 999) / 1000);
  }
  return {};
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

std::string position_text(const proto::Position& position) {
  switch (position.at_case()) {
    case proto::Position::kEarliest:
      return "earliest";
    case proto::Position::kOffset:
      return std::to_string(position.offset());
    case proto::Position::kTimeUs:
      return format_time_us(position.time_us());
    default:
      return "latest";
  }
}

}  // namespace

client::Error apply_options(const GroupOptionArguments& given, proto::GroupOptions* options) {
  if (given.no_filters || !given.filters.empty()) options->clear_filters();
  for (const std::string& filter : given.filters) options->add_filters(filter);
  if (given.no_conditions || !given.conditions.empty()) options->clear_conditions();
  for (const std::string& condition : given.conditions) options->add_conditions(condition);
  if (given.priority) options->set_priority(*given.priority);
  if (given.ack_deadline_ms) options->set_ack_deadline_ms(*given.ack_deadline_ms);
  if (given.max_in_flight) options->set_max_in_flight(*given.max_in_flight);
  if (given.cooldown_ms) options->set_cooldown_ms(*given.cooldown_ms);
  if (given.dlq_entries) options->set_dlq_entries(*given.dlq_entries);
  if (given.dlq_bytes) options->set_dlq_bytes(static_cast<int64_t>(*given.dlq_bytes));
  if (!given.dlq_overflow.empty()) options->set_dlq_overflow(given.dlq_overflow);
  if (!given.ordering.empty()) options->set_ordering(given.ordering);
  if (given.schema_from) options->set_schema_from(*given.schema_from);
  if (given.schema_to) options->set_schema_to(*given.schema_to);
  if (!given.from.empty()) {
    const auto from = parse_position(given.from);
    if (!from.ok()) return from.error;
    *options->mutable_from() = from.value;
  }
  return apply_retry(given, options->mutable_retry());
}

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
      .text("from", position_text(options.from()));
  if (options.has_schema_from()) line.number("schema_from", options.schema_from());
  if (options.has_schema_to()) line.number("schema_to", options.schema_to());
  line.end();
  json.pop_back();  // the line's end
  return json;
}

}  // namespace headrace::cli
