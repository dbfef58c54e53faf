#include "broker/native/handlers/find_group.h"

namespace headrace::native {

std::optional<FoundGroup> find_group(Session& session, const net::native::FrameHeader& header,
                                     const std::string& name,
                                     std::optional<core::GroupRecord::Kind> kind) {
  core::Error error;
  FoundGroup found;
  found.group = session.group(name, &error);
  if (found.group != nullptr) {
    found.topic = session.reactor().catalog()->topic(found.group->tenant, found.group->topic);
    if (found.topic == nullptr) {
      error = core::Error(core::ErrorCode::unknown_group, "its topic is gone");
    } else if (kind && *kind != found.group->kind) {
      const bool acked = found.group->kind == core::GroupRecord::Kind::acked;
      error = core::Error(core::ErrorCode::group_kind,
                          "'" + name + "' is " + (acked ? "acked" : "positional"));
    }
  }
  if (!error) return found;
  session.fail(header, error);
  return std::nullopt;
}

}  // namespace headrace::native
