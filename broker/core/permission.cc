#include "broker/core/permission.h"

#include <algorithm>

#include "broker/core/catalog.h"

namespace headrace::core {
namespace {

struct RoleRow {
  Role role;
  std::string_view name;
  Permissions permissions;
};

// `operator` is a word of the language.
constexpr std::string_view without_underscore(std::string_view name) {
  return name.ends_with('_') ? name.substr(0, name.size() - 1) : name;
}

constexpr RoleRow kRoles[] = {
#define HR_ROLE(name, number, permissions, text) \
  {Role::name, without_underscore(#name), permissions},
#include "broker/core/roles.def"
#undef HR_ROLE
};

const RoleRow& row_of(Role role) {
  return *std::ranges::find(kRoles, role, &RoleRow::role);
}

}  // namespace

std::string_view to_string(Permission permission) {
  constexpr std::string_view kNames[] = {"open",       "known",    "metrics", "publish",
                                         "consume",    "describe", "manage",  "audit",
                                         "administer", "own",      "platform"};
  return kNames[static_cast<size_t>(permission)];
}

std::string_view to_string(Role role) {
  return row_of(role).name;
}

std::optional<Role> parse_role(std::string_view name) {
  const auto* found = std::ranges::find(kRoles, name, &RoleRow::name);
  if (found == std::end(kRoles)) return std::nullopt;
  return found->role;
}

std::optional<Role> role_of(uint32_t number) {
  for (const RoleRow& row : kRoles) {
    if (static_cast<uint32_t>(row.role) == number) return row.role;
  }
  return std::nullopt;
}

Permissions permissions_of(Role role) {
  return row_of(role).permissions;
}

std::string role_names() {
  std::string names;
  for (const RoleRow& row : kRoles) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

std::string to_string(const Grant& grant) {
  std::string text(to_string(grant.role));
  if (!grant.topics.empty() || !grant.types.empty()) text += ":" + grant.topics;
  if (!grant.types.empty()) text += ":" + grant.types;
  return text;
}

std::optional<Grant> parse_grant(std::string_view text) {
  const size_t colon = text.find(':');
  const auto role = parse_role(text.substr(0, colon));
  if (!role) return std::nullopt;
  Grant grant{*role, {}};
  if (colon == std::string_view::npos) return grant;
  text.remove_prefix(colon + 1);
  const size_t second = text.find(':');
  grant.topics = text.substr(0, second);
  if (second != std::string_view::npos) grant.types = text.substr(second + 1);
  // An empty prefix would be everything, which is written without a colon; of all topics some
  // types: ROLE::TYPES.
  const bool all_topics = grant.topics.empty() && second != std::string_view::npos;
  if (!all_topics && check_name("topics", grant.topics)) return std::nullopt;
  if (second == std::string_view::npos) return grant;
  if (check_name("types", grant.types) || *role != Role::producer) return std::nullopt;
  return grant;
}

Rights::Rights(const std::vector<Grant>& grants) {
  for (const Grant& grant : grants) {
    Permissions permissions = permissions_of(grant.role);
    somewhere_ |= permissions;
    if (!grant.types.empty()) {
      types_limited_ = true;
      parts_.push_back({grant.topics, grant.types, bit(Permission::publish)});
      permissions &= ~bit(Permission::publish);
    }
    if (grant.topics.empty()) {
      everywhere_ |= permissions;
    } else {
      parts_.push_back({grant.topics, "", permissions});
    }
  }
  if (everywhere(Permission::publish)) types_limited_ = false;
}

bool Rights::may(Permission permission, std::string_view topic) const {
  if (everywhere(permission)) return true;
  return std::ranges::any_of(parts_, [&](const Part& part) {
    return (part.permissions & bit(permission)) != 0 && topic.starts_with(part.prefix);
  });
}

bool Rights::may_publish(std::string_view topic, std::string_view type) const {
  if (everywhere(Permission::publish)) return true;
  return std::ranges::any_of(parts_, [&](const Part& part) {
    return (part.permissions & bit(Permission::publish)) != 0 && topic.starts_with(part.prefix) &&
           type.starts_with(part.types);
  });
}

bool Rights::covers(const Grant& grant) const {
  Permissions missing = permissions_of(grant.role) & ~everywhere_;
  for (const Part& part : parts_) {
    if (grant.topics.starts_with(part.prefix) && grant.types.starts_with(part.types)) {
      missing &= ~part.permissions;
    }
  }
  return missing == 0;
}

}  // namespace headrace::core
