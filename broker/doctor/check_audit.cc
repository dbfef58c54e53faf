// The hash chains of the audit trail, and whether each ends where its head says.
#include <map>

#include "broker/doctor/facts.h"
#include "records.pb.h"
#include "storage/audit_chain.h"

namespace headrace::doctor {
namespace {

constexpr const char* kTampered =
    "entries were changed or are missing: compare with `$sys` and with hashes that were kept";

struct Chain {
  uint64_t last = 0;
  Sha256 hash{};
  bool broken = false;  // what follows says nothing
};
using Chains = std::map<std::pair<TenantId, ShardId>, Chain>;

void check_entry(std::string_view key, std::string_view value, Chains* chains, Check* check) {
  const auto where = storage::to_text(storage::Table::audit, key);
  const auto parts = storage::parse_audit_key(key);
  const auto row = storage::decode_audit_row(value);
  if (!parts || !row) return check->add({where, "is no entry of the audit trail", kTampered});
  Chain& chain = (*chains)[{parts->tenant, parts->shard}];
  if (chain.broken) return;
  const uint64_t expected = chain.last + 1;
  chain.hash = storage::audit_hash(chain.hash, storage::Key(key), row->entry);
  chain.last = parts->sequence;
  records::AuditEntry entry;
  std::string wrong;
  if (parts->sequence != expected) {
    wrong = "entry " + std::to_string(expected) + " is missing";
  } else if (chain.hash != row->hash) {
    wrong = "its hash is not that of what it says and of the entry before";
  } else if (!entry.ParseFromArray(row->entry.data(), static_cast<int>(row->entry.size()))) {
    wrong = "it does not parse";
  }
  if (wrong.empty()) return;
  chain.broken = true;
  check->add({where, wrong, kTampered});
}

void check_head(std::string_view key, std::string_view value, Chains* chains, Check* check) {
  constexpr size_t kShardAt = sizeof(uint32_t) + 1;  // behind tenant and kind
  const auto where = storage::to_text(storage::Table::state, key);
  const auto tenant = storage::parse_audit_head_key(key);
  const auto head = storage::AuditHead::decode(value);
  if (!tenant || !head) return check->add({where, "is no head of an audit chain", kRestore});
  const auto shard = load_be<uint16_t>(reinterpret_cast<const std::byte*>(key.data()) + kShardAt);
  const auto found = chains->extract({*tenant, ShardId(shard)});
  const Chain chain = found.empty() ? Chain() : found.mapped();
  if (chain.broken) return;
  if (head->last != chain.last) {
    check->add({where,
                "names " + std::to_string(head->last) + " entries, but there are " +
                    std::to_string(chain.last),
                kTampered});
  } else if (head->hash != chain.hash) {
    check->add({where, "has another hash than the newest entry", kTampered});
  } else if (head->told > head->last) {
    check->add({where, "more was published than was written", kRestore});
  }
}

}  // namespace

Check check_audit(const storage::ReadOnlyStore& store) {
  Check check{"audit", {}, {}, 0};
  Chains chains;
  size_t entries = 0;
  const auto rows = store.scan({storage::Table::audit, Month(0), TenantId(0)}, storage::Key(),
                               storage::Key().after_prefix());
  for (; rows->valid(); rows->next(), ++entries) {
    check_entry(rows->key(), rows->value(), &chains, &check);
  }
  if (const std::string error = rows->error(); !error.empty()) {
    check.add({"family audit", "cannot be read: " + error, kRestore});
  }
  each_state_row(store, storage::StateKind::audit_head, &check,
                 [&](std::string_view key, std::string_view value) {
                   check_head(key, value, &chains, &check);
                 });
  for (const auto& [of, chain] : chains) {
    check.add({"audit t" + std::to_string(of.first.value()) + " shard " +
                   std::to_string(of.second.value()),
               "has entries and no head", kTampered});
  }
  check.covered = std::to_string(entries) + " entries";
  return check;
}

}  // namespace headrace::doctor
