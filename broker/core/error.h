// Errors as the broker answers them: a code of the one table (errors.def) and a sentence about this
// case. The mappings to Kafka codes and HTTP statuses come from the same table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "storage/status.h"

namespace headrace::core {

enum class ErrorCode : uint16_t {
#define HR_ERROR(name, code, kafka, http, retryable, text) name = code,
#include "broker/core/errors.def"
#undef HR_ERROR
};

struct ErrorInfo {
  ErrorCode code;
  std::string_view name;
  int16_t kafka_code;
  uint16_t http_status;
  bool retryable;
  std::string_view text;
};
const ErrorInfo& info(ErrorCode code);
ErrorCode from_store(storage::Status status);

struct Error {
  ErrorCode code = ErrorCode::none;
  std::string detail;  // to what, and what to do; empty: the table's text says it all
  uint32_t retry_after_ms = 0;

  Error() = default;
  Error(ErrorCode error_code, std::string why = {}) : code(error_code), detail(std::move(why)) {}

  explicit operator bool() const { return code != ErrorCode::none; }
  std::string message() const;  // "<text>: <detail>"
};

}  // namespace headrace::core
