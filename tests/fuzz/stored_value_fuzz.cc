// Stored values: envelope, violations and batch are taken apart without a crash, and violations
// that were read are written to what reads as the same.
#include <cstdint>
#include <string>

#include "metrics/check.h"
#include "storage/violations.h"

namespace {

using namespace headrace::storage;

void write_again(const Violations& violations) {
  HR_CHECK(!violations.empty() && violations.list().size() <= kViolationsMax);
  const std::string bytes = violations.encode();
  const auto again = Violations::decode(std::string_view(bytes).substr(sizeof(uint32_t)));
  HR_CHECK(again && again->list().size() == violations.list().size());
  for (const Violation& one : violations.list()) {
    const Violation* found = again->find(one.record);
    HR_CHECK(found != nullptr && found->text == one.text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string value(reinterpret_cast<const char*>(data), size);  // of exactly its size
  const auto opened = open_value(value);
  if (!opened) return 0;
  HR_CHECK(opened->batch.size() <= size);
  if (opened->violations != nullptr && !opened->violations->empty()) {
    write_again(*opened->violations);
  }
  return 0;
}
