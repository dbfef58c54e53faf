#include "broker/core/pattern_trie.h"

#include <algorithm>

#include "metrics/check.h"

namespace headrace::core {

uint32_t PatternTrie::child(uint32_t node, std::string_view token) const {
  if (token == "*") return nodes_[node].star;
  const auto found = nodes_[node].children.find(token);
  return found == nodes_[node].children.end() ? kNone : found->second;
}

uint32_t PatternTrie::make_child(uint32_t node, std::string_view token) {
  if (const uint32_t there = child(node, token); there != kNone) return there;
  uint32_t made = static_cast<uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    made = free_.back();
    free_.pop_back();
  }
  if (token == "*") {
    nodes_[node].star = made;
  } else {
    nodes_[node].children.emplace(token, made);
  }
  return made;
}

std::vector<uint32_t>& PatternTrie::slots_of(uint32_t node, const Pattern& pattern) {
  return pattern.tail() == Pattern::Tail::rest ? nodes_[node].rest : nodes_[node].exact;
}

void PatternTrie::insert(const Pattern& pattern, uint32_t slot) {
  if (pattern.tail() == Pattern::Tail::everything) return everything_.push_back(slot);
  uint32_t node = kRoot;
  TypeTokens tokens(pattern.head());
  for (std::string_view token; tokens.next(&token);) node = make_child(node, token);
  slots_of(node, pattern).push_back(slot);
}

void PatternTrie::erase(const Pattern& pattern, uint32_t slot) {
  auto take_one = [slot](std::vector<uint32_t>& slots) {
    const auto found = std::find(slots.begin(), slots.end(), slot);
    HR_CHECK(found != slots.end());
    *found = slots.back();
    slots.pop_back();
  };
  if (pattern.tail() == Pattern::Tail::everything) return take_one(everything_);
  std::vector<Step> way;
  uint32_t node = kRoot;
  TypeTokens tokens(pattern.head());
  for (std::string_view token; tokens.next(&token);) {
    way.push_back({node, token});
    node = child(node, token);
    HR_CHECK(node != kNone);
  }
  take_one(slots_of(node, pattern));
  prune(way, node);
}

// Frees the end of a way as far as nobody needs it.
void PatternTrie::prune(const std::vector<Step>& way, uint32_t node) {
  for (auto step = way.rbegin(); step != way.rend() && nodes_[node].unused(); ++step) {
    nodes_[node] = Node();
    free_.push_back(node);
    Node& parent = nodes_[step->node];
    if (step->token == "*") {
      parent.star = kNone;
    } else {
      parent.children.erase(parent.children.find(step->token));
    }
    node = step->node;
  }
}

uint64_t PatternTrie::collect(std::string_view type, SlotSet* slots) const {
  auto take = [slots](const std::vector<uint32_t>& from) {
    for (const uint32_t slot : from) slots->insert(slot);
  };
  take(everything_);
  if (type.empty()) return 0;
  active_.assign(1, kRoot);
  uint64_t steps = 0;
  TypeTokens tokens(type);
  for (std::string_view token; !active_.empty() && tokens.next(&token);) {
    next_.clear();
    for (const uint32_t at : active_) {
      const Node& node = nodes_[at];
      ++steps;
      take(node.rest);
      if (node.star != kNone) next_.push_back(node.star);
      if (node.children.empty()) continue;
      const auto found = node.children.find(token);
      if (found != node.children.end()) next_.push_back(found->second);
    }
    active_.swap(next_);
  }
  steps += active_.size();
  for (const uint32_t at : active_) take(nodes_[at].exact);
  return steps;
}

}  // namespace headrace::core
