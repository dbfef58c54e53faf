// Which credentials were used lately: the meta shard is told at most once a minute of each, so that
// `last used` costs nobody anything.
//
// Lives on: the thread that lets callers in.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "broker/core/api.h"

namespace headrace::runtime {

// Names of principals are their tenants' own, their ids the node's.
std::string of_password(const core::Principal& principal);

class KeyUses {
 public:
  // The note to be sent, without a requester's own fields; nullptr: it is known already, or the
  // caller has nothing that is listed.
  core::RequestPtr note(const core::TenantContext& caller, int64_t now_mono_us);

 private:
  std::unordered_map<std::string, int64_t> told_;  // when, monotonic
};

}  // namespace headrace::runtime
