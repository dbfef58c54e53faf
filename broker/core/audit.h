// The audit trail of one shard: who changed what, and what the broker did by itself. An entry goes
// into the set of the change, so there is none without the other. The entries of a tenant in a
// shard are a hash chain (storage/audit_chain.h); nothing removes them.
//
// Lives on: the shard's reactor, inside its objects. Dropped with them when a commit fails.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/api_audit.h"
#include "broker/core/ctx.h"
#include "storage/audit_chain.h"

namespace headrace::core {

// What is too long is cut.
struct AuditNote {
  AuditAction action;
  std::string object;  // "group mail"
  std::string reason;  // as it was given, or found out
  std::vector<AuditChange> changes;
};

class Audit final : public Committable {
 public:
  Audit(ShardId shard, Ctx* ctx) : shard_(shard), ctx_(ctx) {}

  // A row that was found when the shard was loaded, before anything is noted. False: it does not
  // parse.
  bool load(std::string_view key, std::string_view head);
  void note(const TenantContext& who, AuditNote note);
  void read(std::unique_ptr<ReadAudit> request);

  // ---- for system events

  // After every commit that holds entries.
  void on_commit(std::function<void()> call) { committed_ = std::move(call); }
  const std::map<TenantId, storage::AuditHead>& heads() const { return heads_; }
  void told(TenantId tenant, uint64_t sequence);

  void on_committed(Ctx&, uint64_t) override {
    if (committed_) committed_();
  }

 private:
  void put_head(TenantId tenant, const storage::AuditHead& head);

  const ShardId shard_;
  Ctx* const ctx_;
  std::map<TenantId, storage::AuditHead> heads_;  // as of this turn
  std::function<void()> committed_;
};

}  // namespace headrace::core
