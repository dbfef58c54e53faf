// The group that a request names, with its topic.
#pragma once

#include <optional>
#include <string>

#include "broker/native/session.h"

namespace headrace::native {

struct FoundGroup {
  core::GroupPtr group;
  core::TopicPtr topic;
};

// nullopt after answering unknown_group, or group_kind if it is not of the wanted kind.
std::optional<FoundGroup> find_group(Session& session, const net::native::FrameHeader& header,
                                     const std::string& name,
                                     std::optional<core::GroupRecord::Kind> kind = std::nullopt);

}  // namespace headrace::native
