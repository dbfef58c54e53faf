// Dead letters of all acked groups of a tenant, group by group, for the compatible routes.
// The HTTP thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/admin/call.h"
#include "broker/core/api_acked.h"
#include "broker/limits.h"

namespace headrace::admin {

struct GroupOfTopic {
  core::GroupPtr group;
  core::TopicPtr topic;
};

// The acked groups that the caller may ask about, by name, from this one on.
std::vector<GroupOfTopic> groups_from(const CallPtr& call, const std::string& first);

// Pages of letters that are looked at for one answer; then it ends early, or says so.
constexpr int kLetterPages = 64;

struct LetterWalk {
  std::vector<GroupOfTopic> groups;
  size_t at = 0;
  uint64_t after = 0;  // sequence, in the group it is at
  std::vector<std::string> conditions;
  uint32_t page_size = limits::kPageSizeMax;
  int pages_left = kLetterPages;
  // False: it has enough. `last` is the sequence up to which the page looked.
  std::function<bool(const core::ListDeadLetters& page)> take;
  std::function<void(bool all_seen)> done;
};
using LetterWalkPtr = std::shared_ptr<LetterWalk>;

// Page after page, until `take` has enough or there are no more; an error is the answer.
void walk(const CallPtr& call, const LetterWalkPtr& letters);

}  // namespace headrace::admin
