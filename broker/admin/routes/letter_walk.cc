#include "broker/admin/routes/letter_walk.h"

namespace headrace::admin {

std::vector<GroupOfTopic> groups_from(const CallPtr& call, const std::string& first) {
  const auto& catalog = *call->catalog();
  const TenantId tenant = call->tenant().tenant();
  std::vector<GroupOfTopic> groups;
  for (auto at = catalog.groups.lower_bound({tenant, first}); at != catalog.groups.end(); ++at) {
    if (at->first.first != tenant) break;
    const auto topic = catalog.topic(tenant, at->second->topic);
    if (at->second->kind != core::GroupRecord::Kind::acked || topic == nullptr) continue;
    if (!call->may(topic->name)) groups.push_back({at->second, topic});
  }
  return groups;
}

void walk(const CallPtr& call, const LetterWalkPtr& letters) {
  if (letters->at == letters->groups.size()) return letters->done(true);
  if (letters->pages_left-- == 0) return letters->done(false);
  const GroupOfTopic& now = letters->groups[letters->at];
  auto request = call->about<core::ListDeadLetters>(now.group, now.topic);
  request->after = letters->after;
  request->page_size = letters->page_size;
  request->conditions = letters->conditions;
  call->ask<core::ListDeadLetters>(std::move(request), [call, letters](auto& page) {
    const bool go_on = letters->take(page);
    if (!go_on) return letters->done(false);
    letters->after = page.more ? page.last : 0;
    if (!page.more) ++letters->at;
    walk(call, letters);
  });
}

}  // namespace headrace::admin
