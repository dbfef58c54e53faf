// What may go from the front of a partition: whole chunks that are too old, too many bytes, too
// many events or in too old a month. A pass looks at chunk rows only, then moves the log start in
// one WriteSet; the space comes back by compaction of the range afterwards. H7 of docs/delivery.md.
//
// Lives on: the shard's reactor; a pass owns itself. At most one per partition at a time.
#pragma once

#include <functional>
#include <memory>

#include "broker/core/catalog.h"
#include "broker/core/ctx.h"
#include "broker/core/log_index.h"
#include "storage/chunk.h"

namespace headrace::core {

class AckedGroups;
class Partition;

// Acked groups that are not disabled hold what they still owe, for some time (held_long_enough).
// Then they are told to let go of it, and the next pass takes it.
struct RetentionPass {
  static void begin(std::shared_ptr<Partition> partition, AckedGroups* groups, int64_t max_pin_us,
                    Ctx* ctx, std::function<void()> done);
};

// Pure: may this chunk go? `kept_*` is what would be left behind it.
struct RetentionQuestion {
  int64_t now_us = 0;
  Month current_month;
  Month chunk_month;
  int64_t chunk_last_append_us = 0;
  int64_t kept_bytes = 0;
  int64_t kept_events = 0;
};
bool may_go(const Retention& retention, const RetentionQuestion& question);

// Pure: what the topic says, within what its tenant may keep (quotas `keep_days`, `keep_months`).
Retention retention_within(const Topic& topic, const Quotas& quotas);
// By the catalog; without a tenant as the topic says.
Retention retention_of(const Topic& topic, const CatalogSnapshot& catalog);

// Pure: has a chunk that may go been kept for acked groups for the whole of max_pin? It is counted
// from when the chunk's age or month let it go; with bounds of bytes or events alone from when it
// was appended. 0: one retention period, at most kRetentionPinUsMax.
bool held_long_enough(const Retention& retention, const RetentionQuestion& question,
                      int64_t max_pin_us);

}  // namespace headrace::core
