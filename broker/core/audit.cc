#include "broker/core/audit.h"

#include "broker/limits.h"
#include "metrics/utf8.h"
#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

constexpr storage::Place kHeads{storage::Table::state, Month(0), kNodeTenant};

storage::Place place_of(TenantId tenant) {
  return {storage::Table::audit, Month(0), tenant};
}

std::string entry_of(const TenantContext& who, const AuditNote& note, int64_t now_us) {
  records::AuditEntry entry;
  entry.set_at_us(now_us);
  entry.set_actor(std::string(who.actor()));
  entry.set_action(std::string(to_string(note.action)));
  entry.set_object(clean_utf8(note.object, limits::kErrorTextMax));
  // What a platform admin does in another tenant says why they are there, too.
  std::string reason = note.reason;
  if (!who.reason().empty() && reason != who.reason()) {
    if (!reason.empty()) reason += "; ";
    reason += who.reason();
  }
  entry.set_reason(clean_utf8(reason, limits::kErrorTextMax));
  for (const AuditChange& change : note.changes) {
    auto* row = entry.add_changes();
    row->set_field(change.field);
    row->set_before(clean_utf8(change.before, limits::kErrorTextMax));
    row->set_after(clean_utf8(change.after, limits::kErrorTextMax));
  }
  return entry.SerializeAsString();
}

}  // namespace

std::string_view to_string(AuditAction action) {
  switch (action) {
#define HR_AUDIT(name, text, meaning) \
  case AuditAction::name:             \
    return text;
#include "broker/core/audit.def"
#undef HR_AUDIT
  }
  return "invalid";
}

bool Audit::load(std::string_view key, std::string_view row) {
  const auto tenant = storage::parse_audit_head_key(key);
  const auto head = storage::AuditHead::decode(row);
  if (!tenant || !head) return false;
  heads_[*tenant] = *head;
  return true;
}

void Audit::note(const TenantContext& who, AuditNote note) {
  const TenantId tenant = who.tenant();
  storage::AuditHead& head = heads_[tenant];
  const storage::Key key = storage::audit_key(tenant, shard_, ++head.last);
  const std::string entry = entry_of(who, note, ctx_->now().wall_us);
  head.hash = storage::audit_hash(head.hash, key, entry);
  ctx_->writes(this).put(place_of(tenant), key, storage::encode_audit_row(head.hash, entry));
  put_head(tenant, head);
}

void Audit::told(TenantId tenant, uint64_t sequence) {
  storage::AuditHead& head = heads_[tenant];
  head.told = std::max(head.told, sequence);
  put_head(tenant, head);
}

void Audit::put_head(TenantId tenant, const storage::AuditHead& head) {
  ctx_->writes(this).put(kHeads, storage::audit_head_key(shard_, tenant), head.encode());
}

void Audit::read(std::unique_ptr<ReadAudit> request) {
  // Owns itself until the rows are there; needs nothing of this.
  struct Page final : storage::Scan {
    void run() override {
      std::unique_ptr<Page> self(this);
      if (status != storage::Status::ok) request->error = Error(from_store(status), "audit");
      for (const Row& row : rows) {
        const auto parts = storage::parse_audit_key(row.key.view());
        const auto value = storage::decode_audit_row(storage::as_text(row.value.span()));
        if (!parts || !value) {
          request->error = Error(ErrorCode::storage_error, "an audit entry does not parse");
          break;
        }
        request->entries.push_back({parts->sequence, value->hash, std::string(value->entry)});
      }
      request->more = more;
      ctx->reply(std::move(request));
    }
    std::unique_ptr<ReadAudit> request;
    Ctx* ctx = nullptr;
  };
  const TenantId tenant = request->tenant.tenant();
  if (!heads_.contains(tenant)) return ctx_->reply(std::move(request));
  auto* page = new Page;
  page->place = place_of(tenant);
  page->from = storage::audit_key(tenant, shard_, request->from);
  page->to = storage::audit_prefix(tenant, shard_).after_prefix();
  page->max_rows = request->page_size;
  page->sink = ctx_->sink();
  page->ctx = ctx_;
  page->request = std::move(request);
  ctx_->store().scan(page);
}

}  // namespace headrace::core
