// A set of small dense numbers, as a Matcher gives them to groups.
//
// Plain data of its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace::core {

class SlotSet {
 public:
  void clear() { words_.clear(); }
  void insert(uint32_t slot) {
    if (slot / 64 >= words_.size()) words_.resize(slot / 64 + 1);
    words_[slot / 64] |= uint64_t{1} << (slot % 64);
  }
  void insert(const SlotSet& slots) {
    if (slots.words_.size() > words_.size()) words_.resize(slots.words_.size());
    for (size_t i = 0; i < slots.words_.size(); ++i) words_[i] |= slots.words_[i];
  }
  bool contains(uint32_t slot) const {
    return slot / 64 < words_.size() && (words_[slot / 64] >> (slot % 64) & 1) != 0;
  }
  bool empty() const { return words_.empty(); }  // nothing is ever taken out again
  size_t size() const {
    size_t count = 0;
    for (const uint64_t word : words_) count += static_cast<size_t>(__builtin_popcountll(word));
    return count;
  }
  // Ascending.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t left = words_[i]; left != 0; left &= left - 1) {
        visit(static_cast<uint32_t>(i * 64) + static_cast<uint32_t>(__builtin_ctzll(left)));
      }
    }
  }
  bool operator==(const SlotSet&) const = default;  // the last word is never empty

 private:
  std::vector<uint64_t> words_;
};

}  // namespace headrace::core
