#include "json/audit.h"

#include "json/json_rows.h"

namespace headrace {

void audit_fields(JsonLine* line, const records::AuditEntry& entry) {
  JsonRows changes;
  for (const auto& change : entry.changes()) {
    changes.add([&](JsonLine* row) {
      row->text("field", change.field())
          .text("before", change.before())
          .text("after", change.after());
    });
  }
  line->text("action", entry.action())
      .text("object", entry.object())
      .text("actor", entry.actor())
      .text("reason", entry.reason())
      .raw("changes", changes.text());
}

}  // namespace headrace
