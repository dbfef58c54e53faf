#include "client/cli/group_options.h"

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
  if (!given.keep_attempts.empty()) options->set_keep_attempts(given.keep_attempts);
  if (!given.version_mismatch.empty()) options->set_version_mismatch(given.version_mismatch);
  if (!given.from.empty()) {
    const auto from = parse_position(given.from);
    if (!from.ok()) return from.error;
    *options->mutable_from() = from.value;
  }
  return apply_retry(given, options->mutable_retry());
}

}  // namespace headrace::cli
