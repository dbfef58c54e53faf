// How the process ends when the disk fails under it. A failed write or sync leaves the log in a
// state nobody knows, so nothing is retried: the process says which file and ends; the next start
// recovers from what is on the disk. So does a device that no longer reads (read_breaker.h).
// Numbers are read by service managers: never change one.
#pragma once

#include <string_view>

namespace headrace::storage {

constexpr int kExitStoreFailed = 70;    // any other error of the store
constexpr int kExitStoreDiskFull = 71;  // ENOSPC while writing the log or flushing
constexpr int kExitStoreIoError = 72;   // EIO and the like: the device or file system failed

constexpr std::string_view exit_code_name(int code) {
  switch (code) {
    case kExitStoreDiskFull:
      return "store_disk_full";
    case kExitStoreIoError:
      return "store_io_error";
    default:
      return "store_failed";
  }
}

}  // namespace headrace::storage
