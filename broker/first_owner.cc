#include "broker/first_owner.h"

#include <cerrno>
#include <cstring>
#include <future>

#include "broker/core/api_access.h"
#include "broker/runtime/new_key.h"
#include "metrics/log.h"
#include "storage/synced_file.h"

namespace headrace::broker {
namespace {

constexpr const char* kOwner = "owner";
constexpr const char* kKeyFile = "owner.key";

// Asks the meta shard and waits.
template <class Question>
std::unique_ptr<Question> answer_of(admin::Admin* admin, std::unique_ptr<Question> question) {
  question->shard = kMetaShard;
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(question));
  auto answered = std::make_shared<std::promise<core::RequestPtr>>();
  auto answer = answered->get_future();
  admin->ask(std::move(questions), [answered](std::vector<core::RequestPtr> answers) {
    answered->set_value(std::move(answers[0]));
  });
  return std::unique_ptr<Question>(static_cast<Question*>(answer.get().release()));
}

// Whatever became of the principal of this name: it is the owner again.
core::Error make_owner(admin::Admin* admin, const core::CatalogSnapshot& catalog,
                       const runtime::NewKey& made) {
  const core::TenantContext node = core::Access::node(kDefaultTenant);
  core::Error error;
  if (catalog.principal(kDefaultTenant, kOwner) == nullptr) {
    auto create = std::make_unique<core::CreatePrincipal>(node);
    create->name = kOwner;
    create->grants = {{core::Role::owner, ""}};
    create->platform = true;
    error = answer_of(admin, std::move(create))->error;
  } else {
    auto update = std::make_unique<core::UpdatePrincipal>(node);
    update->name = kOwner;
    update->grants = {{core::Role::owner, ""}};
    update->platform = true;
    update->disabled = false;
    error = answer_of(admin, std::move(update))->error;
  }
  if (error) return error;
  auto key = std::make_unique<core::CreateKey>(node);
  key->principal = kOwner;
  key->key = made.key;
  key->key.note = "made by the broker at its start";
  return answer_of(admin, std::move(key))->error;
}

}  // namespace

bool look_after_doors(admin::Admin* admin, const Doors& doors, const Config& config, Entry* entry,
                      std::string* error) {
  auto known = std::make_unique<core::ShardStats>(core::Access::node(kNodeTenant));
  known->only_catalog = true;
  const auto answered = answer_of(admin, std::move(known));
  if (answered->error) {
    *error = "the catalog does not load: " + answered->error.message();
    return false;
  }
  const core::CatalogSnapshot& catalog = *answered->catalog;
  const bool native = core::Access::anonymous_allowed(catalog, doors.native);
  const bool http = core::Access::anonymous_allowed(catalog, doors.http);
  *entry = native || http ? Entry::anonymous : Entry::with_credentials;
  if (native || http) {
    const bool far = (native && !doors.native.loopback) || (http && !doors.http.loopback);
    log::warn(far ? "ANYBODY who reaches the broker is owner and platform admin: auth.anonymous"
                  : "anybody on this machine is owner and platform admin",
              {{"native", native}, {"http", http}});
  }
  const bool nobody = !native && !http && !catalog.has_platform_owner();
  if (!nobody && !config.auth.new_owner_key) return true;
  const std::string path = config.broker.data + "/" + kKeyFile;
  const runtime::NewKey made = runtime::make_key();
  // There before the key is of any use; only for the broker's user.
  if (!storage::write_synced(config.broker.data, kKeyFile, 0600, made.text + "\n")) {
    *error = "cannot write the owner's key to " + path + ": " + std::strerror(errno);
    return false;
  }
  if (const core::Error failed = make_owner(admin, catalog, made)) {
    *error = "the owner could not be made: " + failed.message();
    return false;
  }
  log::warn(
      "the key of principal `owner` was made: use it by --api-key-file, keep it safe, delete "
      "the file",
      {{"file", path}, {"key", made.key.id}});
  return true;
}

}  // namespace headrace::broker
