#include "json/type_stats.h"

namespace headrace {

void type_fields(JsonLine* line, const proto::TypeStats& stats) {
  std::optional<std::string_view> type;
  if (!stats.unknown()) type = stats.type();
  line->text_or_null("type", type)
      .number("published", static_cast<int64_t>(stats.published()))
      .number("processed", static_cast<int64_t>(stats.processed()))
      .number("failed", static_cast<int64_t>(stats.failed()))
      .number("dead_lettered", static_cast<int64_t>(stats.dead_lettered()))
      .number("handler_p50_us", stats.handler_p50_us())
      .number("handler_p95_us", stats.handler_p95_us());
}

}  // namespace headrace
