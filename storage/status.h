// What the Store seam may answer. The broker maps these to its error table (core/errors.def).
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace::storage {

enum class Status : uint8_t {
  ok,
  fenced,    // somebody else owns the shard now: drop the object, answer not-owner
  unknown,   // may or may not have been applied: drop the object, load again
  full,      // no space; nothing was written
  corrupt,   // a stored value does not parse or its checksum is wrong
  io_error,  // reading failed (a failed local write or sync ends the process instead)
  gone,      // the month was dropped while it was being read
};

constexpr std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::fenced:
      return "fenced";
    case Status::unknown:
      return "unknown";
    case Status::full:
      return "full";
    case Status::corrupt:
      return "corrupt";
    case Status::io_error:
      return "io_error";
    case Status::gone:
      return "gone";
  }
  return "invalid";
}

}  // namespace headrace::storage
