// `headrace doctor --data`: whether a data directory that no broker serves is what it should be.
// Reads everything once, changes nothing. Which rows there are: docs/formats.md.
//
// One thread. Memory: the catalog, the months of every partition, one batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headrace::doctor {

struct Finding {
  std::string where;   // the row or file
  std::string what;    // what is wrong with it
  std::string advice;  // what to do
};

struct Check {
  std::string name;
  std::string covered;  // what was looked at, e.g. "3 topics, 1 group"
  std::vector<Finding> findings;
  uint64_t more = 0;  // findings that are not listed

  static constexpr size_t kListed = 20;
  void add(Finding finding);
  bool passed() const { return findings.empty(); }
};

// The checks in the order of work. False with a sentence if the directory cannot be opened.
bool examine(const std::string& data_dir, std::vector<Check>* checks, std::string* error);

}  // namespace headrace::doctor
