// Patterns of many groups as one tree over tokens: one walk along a type finds all groups. What a
// walk costs depends on the type's tokens and on where patterns have `*`, not on how many groups
// there are: a pattern has at most limits::kStarsPerPattern of them in at most
// limits::kTokensPerPattern tokens, so there are at most kMostSteps nodes along any type.
//
// Belongs to its Matcher.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/core/pattern.h"
#include "broker/core/slot_set.h"
#include "broker/core/text_hash.h"
#include "broker/limits.h"

namespace headrace::core {

// Nodes at depth d on the way of one type differ in which of the d tokens are stars, of which
// there are at most k: summed over all depths, choose(n + 1, 1) + ... + choose(n + 1, k + 1).
constexpr uint64_t most_trie_steps(uint64_t tokens, uint64_t stars) {
  uint64_t sum = 0;
  uint64_t choose = 1;
  for (uint64_t k = 1; k <= stars + 1; ++k) {
    choose = choose * (tokens + 2 - k) / k;
    sum += choose;
  }
  return sum;
}

class PatternTrie {
 public:
  static constexpr uint64_t kMostSteps =
      most_trie_steps(limits::kTokensPerPattern, limits::kStarsPerPattern);

  PatternTrie() : nodes_(1) {}

  void insert(const Pattern& pattern, uint32_t slot);
  void erase(const Pattern& pattern, uint32_t slot);  // one that was inserted

  // Adds the slots of all patterns that match. Returns the number of nodes it looked at.
  uint64_t collect(std::string_view type, SlotSet* slots) const;

  size_t node_count() const { return nodes_.size() - free_.size(); }

 private:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = 0;  // the root is nobody's child

  struct Node {
    TextMap<uint32_t> children;
    uint32_t star = kNone;        // the child for any token
    std::vector<uint32_t> exact;  // slots of patterns that end here
    std::vector<uint32_t> rest;   // ... and of those that want one or more tokens more
    bool unused() const {
      return children.empty() && star == kNone && exact.empty() && rest.empty();
    }
  };
  struct Step {
    uint32_t node;
    std::string_view token;  // that leads away from it
  };

  uint32_t child(uint32_t node, std::string_view token) const;
  uint32_t make_child(uint32_t node, std::string_view token);
  void prune(const std::vector<Step>& way, uint32_t node);
  std::vector<uint32_t>& slots_of(uint32_t node, const Pattern& pattern);

  std::vector<Node> nodes_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> everything_;      // slots of `*`
  mutable std::vector<uint32_t> active_;  // scratch of collect()
  mutable std::vector<uint32_t> next_;
};

}  // namespace headrace::core
