#include "json/job.h"

#include "metrics/quantity.h"

namespace headrace {

void job_fields(JsonLine* line, const proto::Job& job) {
  line->text("job", job.id())
      .text("group", job.group())
      .text("kind", job.kind())
      .text("state", job.state())
      .boolean("dry_run", job.dry_run())
      .number("scanned", job.scanned())
      .number("matched", job.matched())
      .number("delivered", job.delivered())
      .number("acked", job.acked())
      .number("failed", job.failed())
      .number("expired", job.expired())
      .real("percent", job.percent(), 1);
  if (job.has_eta_seconds()) {
    line->real("eta_seconds", job.eta_seconds(), 1);
  } else {
    line->null("eta_seconds");
  }
  line->text("created", format_time_us(job.created_us()));
  if (job.started_us() != 0) line->text("started", format_time_us(job.started_us()));
  if (job.ended_us() != 0) line->text("ended", format_time_us(job.ended_us()));
}

}  // namespace headrace
