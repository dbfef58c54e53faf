// Passwords of principals: derived by a worker, which takes a tenth of a second and more on
// purpose.
#include <openssl/crypto.h>

#include "broker/core/api_access.h"
#include "broker/core/audit.h"
#include "broker/core/cast.h"
#include "broker/core/catalog_store.h"
#include "broker/limits.h"

namespace headrace::core {

SetPassword::~SetPassword() {
  OPENSSL_cleanse(password.data(), password.size());
}

struct CatalogStore::PasswordJob final : storage::Work {
  void execute() noexcept override {
    auto& asked = as<SetPassword>(*request);
    Password made;
    std::string why;
    if (sasl::derive(asked.password, asked.salt, limits::kPasswordIterations, &made.secrets,
                     &why)) {
      password = std::move(made);
    } else {
      request->error = Error(ErrorCode::invalid_request, "password: " + why);
    }
    OPENSSL_cleanse(asked.password.data(), asked.password.size());
  }

  void run() override {
    std::unique_ptr<PasswordJob> self(this);
    const auto alive = owner.lock();
    if (alive != nullptr) --alive->password_jobs_;
    if (status != storage::Status::ok || alive == nullptr || alive->state_ != State::ready) {
      request->error = Error(ErrorCode::busy, "the workers, or the catalog is loaded again");
      request->error.retry_after_ms = 100;
    }
    if (request->error) return ctx->reply(std::move(request));
    alive->finish_password(cast<SetPassword>(std::move(request)), std::move(password));
  }

  std::weak_ptr<CatalogStore> owner;
  Ctx* ctx = nullptr;
  RequestPtr request;
  std::optional<Password> password;  // out
};

void CatalogStore::set_password(std::unique_ptr<SetPassword> request) {
  if (request->password.empty()) return finish_password(std::move(request), std::nullopt);
  const PrincipalPtr existing = newest_->principal(request->tenant.tenant(), request->principal);
  if (existing == nullptr) {
    request->error = Error(ErrorCode::unknown_principal, "'" + request->principal + "'");
  } else if (Error error = check_covers(request->tenant, *existing)) {
    request->error = std::move(error);
  } else if (password_jobs_ >= limits::kPasswordJobs) {
    request->error = Error(ErrorCode::busy, "other passwords are being set");
    request->error.retry_after_ms = 500;
  }
  if (request->error) return ctx_->reply(std::move(request));
  HR_CHECK(request->salt.size() == limits::kSaltBytes);
  ++password_jobs_;
  auto* job = new PasswordJob;
  job->owner = weak_from_this();
  job->ctx = ctx_;
  job->sink = ctx_->sink();
  job->request = std::move(request);
  ctx_->store().work(job);
}

// What was true when the worker began need not be any more.
void CatalogStore::finish_password(std::unique_ptr<SetPassword> request,
                                   std::optional<Password> password) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  const PrincipalPtr existing = newest_->principal(request->tenant.tenant(), request->principal);
  if (existing == nullptr) {
    return refuse(Error(ErrorCode::unknown_principal, "'" + request->principal + "'"));
  }
  if (Error error = check_covers(request->tenant, *existing)) return refuse(std::move(error));
  if (!password && !existing->password) {
    request->holder = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  const TenantPtr node = newest_->tenant(kDefaultTenant);
  if (password && node->login_secret.empty()) {
    auto with_secret = std::make_shared<Tenant>(*node);
    with_secret->login_secret = request->login_secret;
    put_tenant(with_secret);
  }
  const bool had_owner = newest_->has_platform_owner();
  auto changed = std::make_shared<Principal>(*existing);
  changed->password = std::move(password);
  if (changed->password) changed->password->set_us = ctx_->now().wall_us;
  ++changed->version;
  put_principal(changed);
  request->anonymous_ends = !had_owner && newest_->has_platform_owner();
  ctx_->audit().note(request->tenant,
                     {changed->password ? AuditAction::password_set : AuditAction::password_deleted,
                      "principal " + changed->name,
                      "",
                      {}});
  request->holder = changed;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

}  // namespace headrace::core
