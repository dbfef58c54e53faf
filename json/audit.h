// An entry of the audit trail as people read it: action, object, actor, reason, changes. Pure.
#pragma once

#include "json/json_line.h"
#include "records.pb.h"

namespace headrace {

void audit_fields(JsonLine* line, const records::AuditEntry& entry);

}  // namespace headrace
