// What a caller may do: permissions, roles, and the prefix of topic names that a role is for.
// Deny by default: who has no grant may nothing. docs/access.md.
//
// Plain values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::core {

// What a message or a route needs (broker/native/handlers.def, broker/admin/routes.def).
enum class Permission : uint8_t {
  open,      // nothing: everybody
  known,     // to be somebody: any caller that was let in
  metrics,   // series with the names of tenants, topics and groups
  publish,   // into topics
  consume,   // events and dead letters with their payloads
  describe,  // names, settings, counts; no payloads
  manage,    // topics, groups, dead letters, jobs
  // From here on of the whole tenant: a grant for a prefix does not give them.
  audit,       // the audit trail
  administer,  // principals and their credentials
  own,         // principals that are owners
  platform,    // tenants; only platform admins
};

std::string_view to_string(Permission permission);

using Permissions = uint32_t;
constexpr Permissions bit(Permission permission) {
  return Permissions{1} << static_cast<unsigned>(permission);
}
constexpr Permissions kAdminPermissions = bit(Permission::metrics) | bit(Permission::publish) |
                                          bit(Permission::consume) | bit(Permission::describe) |
                                          bit(Permission::manage) | bit(Permission::audit) |
                                          bit(Permission::administer);

enum class Role : uint8_t {
#define HR_ROLE(name, number, permissions, text) name = number,
#include "broker/core/roles.def"
#undef HR_ROLE
};
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view name);
std::optional<Role> role_of(uint32_t number);
Permissions permissions_of(Role role);
std::string role_names();  // "producer, consumer, …", for messages

struct Grant {
  Role role = Role::consumer;
  std::string topics;  // prefix of the topics that it is for; empty: all, and what has no topic
  // Prefix of the types of events that it may publish; empty: all. Of producers only: what may be
  // read is not parted by types.
  std::string types = {};

  bool operator==(const Grant&) const = default;
};
// ROLE, ROLE:TOPICS or ROLE:TOPICS:TYPES, as people write it.
std::string to_string(const Grant& grant);
std::optional<Grant> parse_grant(std::string_view text);

// The sum of grants, made for quick answers.
class Rights {
 public:
  Rights() = default;
  explicit Rights(const std::vector<Grant>& grants);

  // For all topics, and for what has no topic.
  bool everywhere(Permission permission) const { return (everywhere_ & bit(permission)) != 0; }
  // For some topic at least.
  bool somewhere(Permission permission) const { return (somewhere_ & bit(permission)) != 0; }
  bool may(Permission permission, std::string_view topic) const;
  // Some topic may be published to with events of some types only.
  bool types_limited() const { return types_limited_; }
  bool may_publish(std::string_view topic, std::string_view type) const;
  // Whoever has these rights may give this grant to somebody: it holds nothing that they lack.
  bool covers(const Grant& grant) const;

 private:
  Permissions everywhere_ = bit(Permission::open) | bit(Permission::known);
  Permissions somewhere_ = everywhere_;
  struct Part {
    std::string prefix;
    std::string types;  // likewise, of what is published
    Permissions permissions;
  };
  std::vector<Part> parts_;  // with a prefix
  bool types_limited_ = false;
};

}  // namespace headrace::core
