// The audit trail of a tenant, as a broker gives it or as it was exported, and its hash chains.
// Main thread.
#pragma once

#include <functional>
#include <string>

#include "client/client.h"
#include "metrics/sha256.h"

namespace headrace::cli {

using VisitAuditRow = std::function<void(uint32_t shard, const proto::AuditRow& row)>;
// `misread`: the field that does not say what the hashed entry says; empty: all do.
using VisitExportedRow =
    std::function<void(uint32_t shard, const proto::AuditRow& row, const std::string& misread)>;

// Every row of the tenant; those of a shard in their order.
client::Error read_trail(client::Client* client, const VisitAuditRow& visit);

// One line of an export: what an entry says, and behind it `key`, `hash` and `entry` as they were
// hashed (storage/audit_chain.h), hash in base 16, the others in base 64.
std::string export_line(uint32_t shard, const proto::AuditRow& row);
// The lines of an export's file, in its order. bad_argument names the line that is none, or says
// that the file has none at all.
client::Error read_export(const std::string& path, const VisitExportedRow& visit);

// One shard's chain, followed from its first entry.
struct AuditChain {
  uint64_t entries = 0;
  Sha256 head{};
  std::string broken;  // the first thing that is wrong
  // What an export had last, to be found again: anything else was written anew.
  uint64_t anchor_sequence = 0;  // 0: none
  std::string anchor_hash;

  void take(uint32_t shard, const proto::AuditRow& row);
  void finish();  // nothing follows
  std::string_view head_bytes() const {
    return {reinterpret_cast<const char*>(head.data()), head.size()};
  }
};

}  // namespace headrace::cli
