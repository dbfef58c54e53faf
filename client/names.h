// Durability levels as people write them and as the wire has them.
#pragma once

#include <optional>
#include <string_view>

#include "headrace.pb.h"
#include "storage/types.h"

namespace headrace::client {

constexpr std::string_view to_string(Durability durability) {
  switch (durability) {
    case Durability::memory:
      return "memory";
    case Durability::written:
      return "written";
    case Durability::durable:
      return "durable";
  }
  return "invalid";
}

constexpr std::optional<Durability> parse_durability(std::string_view text) {
  for (const Durability each : {Durability::memory, Durability::written, Durability::durable}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

constexpr proto::Durability to_wire(Durability durability) {
  switch (durability) {
    case Durability::memory:
      return proto::MEMORY;
    case Durability::written:
      return proto::WRITTEN;
    case Durability::durable:
      return proto::DURABLE;
  }
  return proto::DURABLE;
}

constexpr Durability from_wire(proto::Durability durability) {
  if (durability == proto::MEMORY) return Durability::memory;
  return durability == proto::WRITTEN ? Durability::written : Durability::durable;
}

}  // namespace headrace::client
