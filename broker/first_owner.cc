#include "broker/first_owner.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>

#include "broker/core/api_access.h"
#include "broker/runtime/new_key.h"
#include "metrics/log.h"

namespace headrace::broker {
namespace {

constexpr const char* kOwner = "owner";

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

// Only for the broker's user; there, whole, before the key is of any use.
bool write_key(const std::string& path, const std::string& text, std::string* error) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const std::string line = text + "\n";
  bool ok = fd >= 0;
  ok = ok && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  ok = ok && ::fsync(fd) == 0;
  if (!ok) *error = "cannot write the owner's key to " + path + ": " + std::strerror(errno);
  if (fd >= 0) ::close(fd);
  return ok;
}

core::Error make_owner(admin::Admin* admin, const runtime::NewKey& made) {
  const core::TenantContext node = core::Access::node(kDefaultTenant);
  auto create = std::make_unique<core::CreatePrincipal>(node);
  create->name = kOwner;
  create->grants = {{core::Role::owner, ""}};
  create->platform = true;
  create->if_missing = true;
  core::Error error = answer_of(admin, std::move(create))->error;
  if (error.code == core::ErrorCode::principal_exists) {  // it may do less, or is disabled
    auto update = std::make_unique<core::UpdatePrincipal>(node);
    update->name = kOwner;
    update->grants = {{core::Role::owner, ""}};
    update->platform = true;
    error = answer_of(admin, std::move(update))->error;
  }
  if (error) return error;
  auto enable = std::make_unique<core::UpdatePrincipal>(node);
  enable->name = kOwner;
  enable->disabled = false;
  if ((error = answer_of(admin, std::move(enable))->error)) return error;
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
  const std::string path = config.broker.data + "/owner.key";
  const runtime::NewKey made = runtime::make_key();
  if (!write_key(path, made.text, error)) return false;
  if (const core::Error failed = make_owner(admin, made)) {
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
