// The tenants of a run. All of them name their topics and groups alike; clients and judges tell
// them apart by a letter in front ("b:t0", "h-b:t0"), which does not go over the wire. Whatever a
// client sends has the mark of its tenant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::sim {

inline char letter_of(uint32_t tenant) {
  return static_cast<char>('a' + tenant);
}
inline std::string tenant_name(uint32_t tenant) {
  return tenant == 0 ? "default" : "tenant-" + std::string(1, letter_of(tenant));
}
// Of a topic or a group, for clients and judges.
inline std::string told_apart(uint32_t tenant, const std::string& name) {
  return tenant == 0 ? name : std::string(1, letter_of(tenant)) + ":" + name;
}
inline uint32_t tenant_of(std::string_view name) {
  const size_t colon = name.find(':');
  return colon == std::string_view::npos ? 0 : static_cast<uint32_t>(name.at(colon - 1) - 'a');
}
inline std::string own_name(std::string name) {
  const size_t colon = name.find(':');
  return colon == std::string::npos ? name : name.erase(colon - 1, 2);
}

constexpr size_t kMarkSize = 5;
inline std::string mark_of(uint32_t tenant) {
  return std::string("<<") + letter_of(tenant) + ">>";
}

}  // namespace headrace::sim
