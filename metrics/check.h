// Programmer errors: a broken invariant ends the process, in release builds too. Operating errors
// (bad input, full disk, lost peer) are values (storage::Status, core::Error), never a check.
#pragma once

namespace headrace {

// Prints "check failed: <text> at file:line" to standard error and aborts.
[[noreturn]] void check_failed(const char* text, const char* file, int line) noexcept;

}  // namespace headrace

#define HR_CHECK(condition)                            \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::headrace::check_failed(#condition, __FILE__, __LINE__))
#define HR_UNREACHABLE(why) ::headrace::check_failed("unreachable: " why, __FILE__, __LINE__)
