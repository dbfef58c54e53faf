#include "broker/core/key_order.h"

#include <algorithm>

#include "metrics/check.h"
#include "storage/batch.h"

namespace headrace::core {

uint64_t key_hash(std::string_view key) {
  return std::max<uint64_t>(storage::lookup_hash(storage::Lookup::key, key), 1);
}

KeyOrder::Arrival KeyOrder::arrive(Offset offset, uint64_t hash) {
  if (hash == 0) return Arrival::goes;
#ifdef HEADRACE_PLANTED
  if (offset.value() % 4 == 3) return Arrival::goes;  // overtakes its key; the simulation must see
#endif
  Key& key = keys_[hash];
  if (key.head.value() < 0) {
    key.head = offset;
    heads_[offset] = hash;
    return Arrival::goes;
  }
  // Behind a row it is one, too: the bound of what waits in memory is for short waits.
  const bool row = key.parked || (!key.waiting.empty() && key.waiting.rbegin()->second != nullptr);
  if (row) return Arrival::waits_in_row;
  wait(offset, hash, nullptr);
  return Arrival::waits;
}

void KeyOrder::wait(Offset offset, uint64_t hash, RetryEntryPtr row) {
  auto [at, added] = keys_[hash].waiting.try_emplace(offset);
  if (!added) count(at->second, -1);
  count(row, 1);
  at->second = std::move(row);
}

uint64_t KeyOrder::key_of(Offset head) const {
  const auto found = heads_.find(head);
  return found == heads_.end() ? 0 : found->second;
}

std::vector<Offset> KeyOrder::park(Offset head) {
  const uint64_t hash = key_of(head);
  if (hash == 0) return {};
  Key& key = keys_.at(hash);
  key.parked = true;
  std::vector<Offset> behind;
  for (const auto& [offset, row] : key.waiting) {
    if (row == nullptr) behind.push_back(offset);
  }
  return behind;
}

bool KeyOrder::finish(Offset head, Waiter* next) {
  const auto found = heads_.find(head);
  if (found == heads_.end()) return false;
  const uint64_t hash = found->second;
  heads_.erase(found);
  return promote(hash, &keys_.at(hash), next);
}

bool KeyOrder::promote(uint64_t hash, Key* key, Waiter* next) {
  if (key->waiting.empty()) {
    keys_.erase(hash);
    return false;
  }
  const auto first = key->waiting.begin();
  *next = {first->first, std::move(first->second)};
  key->waiting.erase(first);
  count(next->row, -1);
  key->head = next->offset;
  key->parked = false;
  heads_[next->offset] = hash;
  return true;
}

void KeyOrder::drop(Offset offset, uint64_t hash) {
  const auto found = keys_.find(hash);
  if (found == keys_.end()) return;
  const auto at = found->second.waiting.find(offset);
  if (at == found->second.waiting.end()) return;
  count(at->second, -1);
  found->second.waiting.erase(at);
}

std::vector<Offset> KeyOrder::drop_below(Offset end) {
  std::vector<Offset> dropped;
  if (in_memory_ == 0) return dropped;
  for (auto& [hash, key] : keys_) {
    for (auto at = key.waiting.begin(); at != key.waiting.end() && at->first < end;) {
      if (at->second != nullptr) {
        ++at;
        continue;
      }
      dropped.push_back(at->first);
      at = key.waiting.erase(at);
      --in_memory_;
    }
  }
  std::ranges::sort(dropped);
  return dropped;
}

void KeyOrder::restore_parked(Offset offset, uint64_t hash) {
  if (hash == 0) return;
  Key& key = keys_[hash];
  HR_CHECK(key.head.value() < 0);
  key.head = offset;
  key.parked = true;
  heads_[offset] = hash;
}

void KeyOrder::restore_waiting(uint64_t hash, RetryEntryPtr row) {
  const Offset offset = row->offset;
  wait(offset, hash, std::move(row));
}

std::vector<KeyOrder::Waiter> KeyOrder::start() {
  std::vector<Waiter> going;
  for (auto& [hash, key] : keys_) {
    Waiter next;
    if (key.head.value() < 0 && promote(hash, &key, &next)) going.push_back(std::move(next));
  }
  return going;
}

}  // namespace headrace::core
