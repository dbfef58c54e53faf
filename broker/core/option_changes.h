// Which options differ between two versions of a group, as people read them. Pure.
#pragma once

#include <vector>

#include "broker/core/api_audit.h"
#include "broker/core/group_options.h"

namespace headrace::core {

std::vector<AuditChange> option_changes(const GroupOptions& before, const GroupOptions& after);

}  // namespace headrace::core
