#include "broker/doctor/doctor.h"

#include "broker/doctor/facts.h"

namespace headrace::doctor {

void Check::add(Finding finding) {
  if (findings.size() < kListed)
    findings.push_back(std::move(finding));
  else
    ++more;
}

Span* Partition::span_of(Offset offset) {
  Span* found = nullptr;
  for (Span& span : spans) {
    if (span.first <= offset) found = &span;
  }
  return found;
}

std::string name_of(const PartitionKey& partition) {
  const auto key = storage::log_start_key(partition);
  const std::string text = storage::to_text(storage::Table::state, key.view());
  return text.substr(text.rfind(' ') + 1);
}

std::optional<PartitionKey> partition_of(std::string_view key) {
  constexpr size_t kSize = 4 + 1 + 4 + 2 + 4;  // tenant, kind, topic, slice, partition
  if (key.size() < kSize) return std::nullopt;
  const auto* at = reinterpret_cast<const std::byte*>(key.data());
  return PartitionKey{TenantId(load_be<uint32_t>(at)), TopicId(load_be<uint32_t>(at + 5)),
                      SliceId(load_be<uint16_t>(at + 9)), PartitionId(load_be<uint32_t>(at + 11))};
}

bool examine(const std::string& data_dir, std::vector<Check>* checks, std::string* error) {
  const auto store = storage::ReadOnlyStore::open(data_dir, error);
  if (store == nullptr) return false;
  Facts facts;
  checks->push_back(check_catalog(*store, &facts));
  checks->push_back(check_months(*store, &facts));
  checks->push_back(check_log(*store, &facts));
  checks->push_back(check_producers(*store, facts));
  checks->push_back(check_groups(*store, facts));
  checks->push_back(check_delivery(*store, facts));
  checks->push_back(check_waiting(*store, facts));
  checks->push_back(check_audit(*store));
  return true;
}

}  // namespace headrace::doctor
