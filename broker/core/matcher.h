// Which groups of a topic want which event types: one for all groups of the topic, so that what a
// type costs does not grow with them. Types are remembered by a number each, at most
// limits::kTypesPerTopic of them; further ones, and those above Summary::kMaxTypeSize bytes, are
// *unlisted* and matched each time. Conditions are the groups' own business.
//
// Lives on: the owner shard, with its topic. Numbers and slots mean nothing after it is gone.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/core/filter.h"
#include "broker/core/pattern_trie.h"
#include "broker/core/slot_set.h"
#include "broker/core/text_hash.h"

namespace headrace::core {

class Matcher {
 public:
  using Slot = uint32_t;    // of a group; dense, used again after remove()
  using TypeId = uint32_t;  // dense, in the order of first sight
  static constexpr TypeId kUnlisted = UINT32_MAX;

  // Cost: its own patterns. What is remembered of types is renewed when they are next asked for.
  Slot add(const Filter& filter);
  void remove(Slot slot);

  // Remembers the type if there is room. For a batch view: once per event, for all groups.
  TypeId id_of(std::string_view type);
  // Does the group want this type? `id` is its id_of().
  bool wants(Slot slot, TypeId id, std::string_view type);
  // All groups that want it. Until the next call to anything here.
  const SlotSet& groups_of(std::string_view type);
  const SlotSet& groups_of(TypeId id);  // a remembered one

  size_t group_count() const { return slots_.size() - free_.size(); }
  size_t type_count() const { return types_.size(); }
  uint64_t steps() const { return steps_; }  // tree nodes looked at, ever

 private:
  struct Remembered {
    const std::string* type = nullptr;  // the key in types_
    uint64_t generation = 0;
    SlotSet groups;
  };

  const SlotSet& renewed(TypeId id, std::string_view type);
  void collect(std::string_view type, SlotSet* groups);

  PatternTrie trie_;
  std::vector<std::vector<Pattern>> slots_;  // patterns by slot; none: free
  std::vector<Slot> free_;
  uint64_t generation_ = 1;  // of the groups
  TextMap<TypeId> types_;
  std::vector<Remembered> remembered_;  // by type id
  SlotSet unlisted_;                    // the answer for the last unlisted type
  uint64_t steps_ = 0;
};

}  // namespace headrace::core
