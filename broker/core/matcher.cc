#include "broker/core/matcher.h"

#include <algorithm>

#include "broker/limits.h"
#include "metrics/check.h"

namespace headrace::core {

Matcher::Slot Matcher::add(const Filter& filter) {
  Slot slot = static_cast<Slot>(slots_.size());
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot] = filter.patterns();
  HR_CHECK(!slots_[slot].empty());
  for (const Pattern& pattern : slots_[slot]) trie_.insert(pattern, slot);
  ++generation_;
  return slot;
}

void Matcher::remove(Slot slot) {
  HR_CHECK(slot < slots_.size() && !slots_[slot].empty());
  for (const Pattern& pattern : slots_[slot]) trie_.erase(pattern, slot);
  slots_[slot].clear();
  free_.push_back(slot);
  ++generation_;
}

Matcher::TypeId Matcher::id_of(std::string_view type) {
  if (const auto found = types_.find(type); found != types_.end()) return found->second;
  if (types_.size() >= limits::kTypesPerTopic) return kUnlisted;
  if (type.size() > storage::Summary::kMaxTypeSize) return kUnlisted;
  const auto id = static_cast<TypeId>(remembered_.size());
  const auto named = types_.emplace(type, id).first;
  remembered_.emplace_back().type = &named->first;
  return id;
}

void Matcher::collect(std::string_view type, SlotSet* groups) {
  groups->clear();
  steps_ += trie_.collect(type, groups);
}

const SlotSet& Matcher::renewed(TypeId id, std::string_view type) {
  Remembered& known = remembered_[id];
  if (known.generation != generation_) {
    collect(type, &known.groups);
    known.generation = generation_;
  }
  return known.groups;
}

bool Matcher::wants(Slot slot, TypeId id, std::string_view type) {
  if (id != kUnlisted) return renewed(id, type).contains(slot);
  const std::vector<Pattern>& patterns = slots_[slot];
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Pattern& pattern) { return pattern.matches(type); });
}

const SlotSet& Matcher::groups_of(TypeId id) {
  return renewed(id, *remembered_[id].type);
}

const SlotSet& Matcher::groups_of(std::string_view type) {
  const TypeId id = id_of(type);
  if (id != kUnlisted) return renewed(id, type);
  collect(type, &unlisted_);
  return unlisted_;
}

}  // namespace headrace::core
