// A tenant's quotas as JSON and flags have them: names, units and accessors of the message, from
// the one list.
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

constexpr bool kQuotaFieldInbytes = true;
constexpr bool kQuotaFieldIncount = false;

inline const std::array kQuotaFields = {
#define HR_QUOTA(number, name, unit, text)                                  \
  QuotaField{#name,                                                         \
             kQuotaFieldIn##unit,                                           \
             text,                                                          \
             [](const proto::Quotas& q) { return q.has_##name(); },         \
             [](const proto::Quotas& q) { return q.name(); },               \
             [](proto::Quotas* q, int64_t limit) { q->set_##name(limit); }, \
             [](const proto::Denials& d) { return d.name(); }},
#include "json/quotas.def"
#undef HR_QUOTA
};

}  // namespace headrace
