#include "broker/core/error.h"

#include "metrics/check.h"

namespace headrace::core {
namespace {

constexpr ErrorInfo kTable[] = {
#define HR_ERROR(name, code, kafka, http, retryable, text) \
  {ErrorCode::name, #name, kafka, http, retryable, text},
#include "broker/core/errors.def"
#undef HR_ERROR
};

}  // namespace

const ErrorInfo& info(ErrorCode code) {
  for (const ErrorInfo& entry : kTable) {
    if (entry.code == code) return entry;
  }
  HR_UNREACHABLE("error code without a row in errors.def");
}

ErrorCode from_store(storage::Status status) {
  switch (status) {
    case storage::Status::ok:
      return ErrorCode::none;
    case storage::Status::fenced:
      return ErrorCode::not_owner;
    case storage::Status::unknown:
      return ErrorCode::outcome_unknown;
    case storage::Status::full:
      return ErrorCode::disk_full;
    case storage::Status::gone:
      return ErrorCode::offset_out_of_range;
    case storage::Status::corrupt:
    case storage::Status::io_error:
      return ErrorCode::storage_error;
  }
  return ErrorCode::internal;
}

std::string Error::message() const {
  std::string text(info(code).text);
  if (!detail.empty()) text += ": " + detail;
  return text;
}

}  // namespace headrace::core
