// A tenant's quotas as JSON and flags have them: one list of names, units and accessors of the
// message.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "headrace.pb.h"

namespace headrace {

struct QuotaField {
  std::string_view name;
  bool bytes;  // else a count
  std::string_view text;
  bool (*has)(const proto::Quotas&);
  int64_t (*get)(const proto::Quotas&);
  void (*set)(proto::Quotas*, int64_t);
  uint64_t (*denials)(const proto::Denials&);
};

#define HR_QUOTA_FIELD(name, bytes, text)                                    \
  QuotaField {                                                               \
#name, bytes, text, [](const proto::Quotas& q) { return q.has_##name(); }, \
        [](const proto::Quotas& q) { return q.name(); },                \
        [](proto::Quotas* q, int64_t limit) { q->set_##name(limit); },  \
        [](const proto::Denials& d) { return d.name(); } \
  }
inline const std::array kQuotaFields = {
    HR_QUOTA_FIELD(publish_bytes_per_s, true, "bytes published a second"),
    HR_QUOTA_FIELD(publish_events_per_s, false, "events published a second"),
    HR_QUOTA_FIELD(stored_bytes, true, "bytes in the logs of its topics"),
    HR_QUOTA_FIELD(connections, false, "open connections"),
    HR_QUOTA_FIELD(topics, false, "topics"),
    HR_QUOTA_FIELD(groups, false, "consumer groups"),
    HR_QUOTA_FIELD(in_flight, false, "events that members of acked groups hold"),
};
#undef HR_QUOTA_FIELD

}  // namespace headrace
