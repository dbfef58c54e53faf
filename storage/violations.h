// Which events of a stored batch do not match their type's schema, where that keeps them from
// handlers (mode dead-letter): part of the batch's value, between envelope and batch, so whoever
// has the batch has them, for as long. Nearly no batch has any. docs/formats.md.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/shared_bytes.h"

namespace headrace::storage {

struct Violation {
  uint32_t record = 0;  // its place in the batch, from 0
  std::string text;     // what is wrong where; empty: there was no room for more texts
};

// Of a batch; whoever appends one with more refuses it before.
constexpr size_t kViolationsMax = 10'000;
constexpr size_t kViolationTextMax = 512;
constexpr size_t kViolationTextsMax = 64u << 10;  // of a batch

class Violations {
 public:
  // In the order of the records, at most kViolationsMax; longer texts are cut, those beyond
  // kViolationTextsMax left out.
  void add(uint32_t record, std::string_view text);

  bool empty() const { return list_.empty(); }
  const std::vector<Violation>& list() const { return list_; }
  const Violation* find(uint32_t record) const;  // nullptr: it has none

  // With the size in front; runs of records without a text are as long as one.
  std::string encode() const;
  static std::optional<Violations> decode(std::string_view bytes);  // without the size
  // What encode() made of violations of a batch of so many records; nullopt: it did not.
  static std::optional<Violations> open(std::string_view encoded, int32_t records);

 private:
  std::vector<Violation> list_;
  size_t texts_ = 0;
};
using ViolationsPtr = std::shared_ptr<const Violations>;

// The parts of a stored value, which it must not outlive.
struct StoredValue {
  int64_t append_time_us = 0;
  std::string_view batch;    // the end of the value
  ViolationsPtr violations;  // nullptr: none

  SharedBytes batch_in(const SharedBytes& value) const {
    return value.slice(value.size() - batch.size(), batch.size());
  }
};
// nullopt: it is damaged, or of a newer program.
std::optional<StoredValue> open_value(std::string_view value);

}  // namespace headrace::storage
