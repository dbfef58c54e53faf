#include "broker/runtime/key_uses.h"

#include "broker/core/api_access.h"
#include "broker/limits.h"

namespace headrace::runtime {

std::string of_password(const core::Principal& principal) {
  return "password of " + std::to_string(principal.id.value());
}

core::RequestPtr KeyUses::note(const core::TenantContext& caller, int64_t now_mono_us) {
  const std::string id(caller.caller()->credential());
  if (id.empty()) return nullptr;
  if (told_.size() >= limits::kKeysUsedKnown) told_.clear();
  const bool password = caller.caller()->by_password;
  const auto [at, first] =
      told_.try_emplace(password ? of_password(*caller.caller()->principal) : id, now_mono_us);
  if (!first && now_mono_us - at->second < limits::kKeyUseUs) return nullptr;
  at->second = now_mono_us;
  auto note = std::make_unique<core::NoteKeyUse>(caller);
  note->shard = kMetaShard;
  note->id = id;
  return note;
}

}  // namespace headrace::runtime
