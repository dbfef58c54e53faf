#include "broker/native/handlers/convert_types.h"

#include "metrics/utf8.h"

namespace headrace::native {
core::Error from_proto(const proto::ListTypes& message, core::ListTypes* request) {
  if (message.from_us() < 0) return {core::ErrorCode::invalid_request, "from: before 1970"};
  if (message.to_us() < 0) return {core::ErrorCode::invalid_request, "to: before 1970"};
  request->from_us = message.from_us();
  request->to_us = message.to_us();
  return {};
}

void to_proto(const core::ListTypes::Row& row, proto::TypeStats* stats) {
  stats->set_type(clean_utf8(row.type, storage::Summary::kMaxTypeSize));
  stats->set_unknown(row.unknown);
  stats->set_published(row.counts.published);
  stats->set_processed(row.counts.acked);
  stats->set_failed(row.counts.failed);
  stats->set_dead_lettered(row.counts.dead);
  stats->set_handler_p50_us(row.counts.durations.quantile_us(0.5));
  stats->set_handler_p95_us(row.counts.durations.quantile_us(0.95));
}

}  // namespace headrace::native
