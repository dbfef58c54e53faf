// Schemas of event types. Compiling and comparing is a worker's; what it says is written only if
// the type is still as it was then.
#include <algorithm>

#include "broker/core/api_schemas.h"
#include "broker/core/audit.h"
#include "broker/core/cast.h"
#include "broker/core/catalog_rows.h"
#include "broker/core/catalog_store.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

constexpr size_t kBreaksTold = 5;

Error no_such_schema(const std::string& type, int32_t version) {
  return Error(ErrorCode::unknown_schema,
               "'" + type + "'" + (version > 0 ? " version " + std::to_string(version) : ""));
}

void add_changed_settings(const SchemaType* before, const SchemaType& after,
                          std::vector<AuditChange>* changes) {
  if (before == nullptr || before->mode != after.mode) {
    changes->push_back({"mode", before == nullptr ? "" : std::string(to_string(before->mode)),
                        std::string(to_string(after.mode))});
  }
  if (before == nullptr || before->compatibility != after.compatibility) {
    changes->push_back(
        {"compatibility",
         before == nullptr ? "" : std::string(schema::to_string(before->compatibility)),
         std::string(schema::to_string(after.compatibility))});
  }
}

// What stands against the new version as one of the type; none if nothing does.
Error compare(const SchemaTypePtr& base, const RegisterSchema& request,
              std::vector<schema::Difference>* from_last) {
  if (base == nullptr) return {};
  const auto level = request.compatibility.value_or(base->compatibility);
  for (auto at = base->versions.rbegin(); at != base->versions.rend(); ++at) {
    const bool last = at == base->versions.rbegin();
    if (!last && !schema::is_transitive(level)) break;
    auto differences = schema::differences(*at->second->source, *request.source);
    std::string breaks;
    size_t count = 0;
    for (const schema::Difference& one : differences) {
      if (!schema::breaks(level, one.effect) || ++count > kBreaksTold) continue;
      if (!breaks.empty()) breaks += "; ";
      breaks += (one.path.empty() ? "/" : one.path) + " " + one.text;
    }
    if (last) *from_last = std::move(differences);
    if (count == 0) continue;
    if (count > kBreaksTold) breaks += "; " + std::to_string(count - kBreaksTold) + " more";
    return Error(ErrorCode::incompatible_schema,
                 "'" + request.type + "', " + std::string(schema::to_string(level)) +
                     ", with version " + std::to_string(at->first) + ": " + breaks);
  }
  return {};
}

}  // namespace

void CatalogStore::handle_schemas(RequestPtr request) {
  switch (request->kind) {
    case Request::Kind::register_schema:
      return register_schema(cast<RegisterSchema>(std::move(request)));
    case Request::Kind::update_schema_type:
      return update_schema_type(cast<UpdateSchemaType>(std::move(request)));
    case Request::Kind::delete_schema:
      return delete_schema(cast<DeleteSchema>(std::move(request)));
    case Request::Kind::diff_schemas:
      return diff_schemas(cast<DiffSchemas>(std::move(request)));
    case Request::Kind::check_event:
      return check_event(cast<CheckEvent>(std::move(request)));
    default:
      HR_UNREACHABLE("not a request of the catalog");
  }
}

// One question that a worker answers. Owns itself in between.
struct CatalogStore::SchemaJob final : storage::Work {
  void execute() noexcept override {
    if (request->kind == Request::Kind::register_schema) {
      auto& typed = as<RegisterSchema>(*request);
      std::string why;
      if (schema::compile(*typed.source, &why) == nullptr) {
        request->error = Error(ErrorCode::invalid_schema, why);
      } else {
        request->error = compare(base, typed, &typed.differences);
      }
    } else if (request->kind == Request::Kind::diff_schemas) {
      as<DiffSchemas>(*request).differences = schema::differences(*older->source, *newer->source);
    } else {
      auto& typed = as<CheckEvent>(*request);
      int64_t steps = limits::kValidationStepsPerJob;
      const auto with = schema::compiled(newer->source);
      if (with == nullptr) {
        request->error = Error(ErrorCode::invalid_schema, "it does not compile any more");
      } else {
        typed.issues = with->check(typed.value.view(), &steps);
      }
    }
  }

  void run() override {
    std::unique_ptr<SchemaJob> self(this);
    const auto alive = owner.lock();
    if (alive != nullptr) alive->schema_jobs_.remove(tenant);
    if (status != storage::Status::ok || alive == nullptr || alive->state_ != State::ready) {
      request->error = Error(ErrorCode::busy, "the workers, or the catalog is loaded again");
      request->error.retry_after_ms = 100;
    }
    if (!request->error && request->kind == Request::Kind::register_schema) {
      return alive->finish_registration(cast<RegisterSchema>(std::move(request)), base);
    }
    ctx->reply(std::move(request));
  }

  std::weak_ptr<CatalogStore> owner;
  Ctx* ctx = nullptr;
  RequestPtr request;
  SchemaTypePtr base;             // as it was when the question was asked; may be null
  SchemaVersionPtr older, newer;  // of a diff; of a check `newer`
};

void CatalogStore::ask_worker(RequestPtr request, SchemaTypePtr base, SchemaVersionPtr older,
                              SchemaVersionPtr newer) {
  const TenantId tenant = request->tenant.tenant();
  if (!schema_jobs_.admits(tenant)) {
    request->error = Error(ErrorCode::busy, "other schemas are being looked at");
    request->error.retry_after_ms = 100;
    return ctx_->reply(std::move(request));
  }
  schema_jobs_.add(tenant);
  auto* job = new SchemaJob;
  job->tenant = tenant;
  job->owner = weak_from_this();
  job->ctx = ctx_;
  job->sink = ctx_->sink();
  job->request = std::move(request);
  job->base = std::move(base);
  job->older = std::move(older);
  job->newer = std::move(newer);
  ctx_->store().work(job);
}

Error CatalogStore::check_registration(const RegisterSchema& request) const {
  const TenantId tenant = request.tenant.tenant();
  if (Error error = check_name("type", request.type)) return error;
  const TenantPtr of = newest_->tenant(tenant);
  if (of == nullptr || of->state == Tenant::State::deleting) {
    return Error(ErrorCode::unknown_tenant);
  }
  const size_t size = request.source->text.size();
  if (size > limits::kSchemaBytes) {
    return Error(ErrorCode::too_large, "a schema has at most " +
                                           std::to_string(limits::kSchemaBytes) + " bytes, got " +
                                           std::to_string(size));
  }
  const auto limit = [](size_t most, const char* what) {
    return Error(ErrorCode::limit_reached, std::to_string(most) + what);
  };
  const TenantSchemasPtr all = newest_->schemas_of(tenant);
  const SchemaTypePtr type = newest_->schema_type(tenant, request.type);
  if (all != nullptr && all->bytes + size > limits::kSchemaBytesPerTenant) {
    return limit(limits::kSchemaBytesPerTenant, " bytes of schemas per tenant");
  }
  if (type == nullptr && all != nullptr && all->types.size() >= limits::kSchemaTypesPerTenant) {
    return limit(limits::kSchemaTypesPerTenant, " types with schemas per tenant");
  }
  if (type == nullptr) return {};
  if (type->versions.size() >= limits::kVersionsPerType) {
    return limit(limits::kVersionsPerType, " versions per type: delete old ones");
  }
  if (request.version != 0 && request.version <= type->last_version) {
    if (type->versions.contains(request.version)) {
      return Error(ErrorCode::schema_exists,
                   "'" + request.type + "' version " + std::to_string(request.version));
    }
    return Error(ErrorCode::invalid_request,
                 "version: above " + std::to_string(type->last_version) + ", the last one");
  }
  return {};
}

void CatalogStore::register_schema(std::unique_ptr<RegisterSchema> request) {
  const SchemaTypePtr type = newest_->schema_type(request->tenant.tenant(), request->type);
  if (type != nullptr) {
    const auto& [number, last] = *type->versions.rbegin();
    const bool equal =
        *last->source == *request->source && (request->version == 0 || request->version == number);
    const bool as_it_is =
        request->mode.value_or(type->mode) == type->mode &&
        request->compatibility.value_or(type->compatibility) == type->compatibility;
    if (equal) {
      if (!as_it_is && !request->dry_run) {
        change_schema_type(request->tenant, *type, request->mode, request->compatibility);
      }
      request->registered = newest_->schema_type(request->tenant.tenant(), request->type);
      request->registered_version = number;
      return ctx_->reply_committed(std::move(request), newest_change());
    }
  }
  if (Error error = check_registration(*request)) {
    request->error = std::move(error);
    return ctx_->reply(std::move(request));
  }
  ask_worker(std::move(request), type, nullptr, nullptr);
}

void CatalogStore::finish_registration(std::unique_ptr<RegisterSchema> request,
                                       const SchemaTypePtr& base) {
  const TenantId tenant = request->tenant.tenant();
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (newest_->schema_type(tenant, request->type) != base) {
    return refuse(Error(ErrorCode::version_conflict, "schema '" + request->type + "'"));
  }
  if (Error error = check_registration(*request)) return refuse(std::move(error));
  request->registered = base;
  request->registered_version =
      request->version != 0 ? request->version : (base == nullptr ? 0 : base->last_version) + 1;
  if (request->dry_run) return ctx_->reply(std::move(request));

  auto type =
      base == nullptr ? std::make_shared<SchemaType>() : std::make_shared<SchemaType>(*base);
  if (base == nullptr) {
    type->tenant = tenant;
    type->id = static_cast<uint32_t>(take_ids(kSchemaTypeEntity, 1));
    type->type = request->type;
  } else {
    ++type->revision;
  }
  type->mode = request->mode.value_or(type->mode);
  type->compatibility = request->compatibility.value_or(type->compatibility);
  auto version = std::make_shared<SchemaVersion>();
  version->id = static_cast<uint32_t>(take_ids(kSchemaVersionEntity, 1));
  version->version = request->registered_version;
  version->source = request->source;
  version->created_us = ctx_->now().wall_us;
  version->actor = std::string(request->tenant.actor());
  type->versions[version->version] = version;
  type->last_version = version->version;
  const auto place = storage::state_place(tenant);
  ctx_->writes(this).put(place, storage::catalog_key(tenant, kSchemaVersionEntity, version->id),
                         encode(*version, type->id));
  put_schema_type(type);
  std::vector<AuditChange> changes = {
      {"version", "", std::to_string(version->version)},
      {"format", "", std::string(schema::to_string(version->source->format))}};
  add_changed_settings(base.get(), *type, &changes);
  ctx_->audit().note(request->tenant, {AuditAction::schema_registered, "schema " + type->type, "",
                                       std::move(changes)});
  request->registered = type;
  request->created = true;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::put_schema_type(const SchemaTypePtr& type) {
  auto& catalog = stage();
  ctx_->writes(this).put(storage::state_place(type->tenant),
                         storage::catalog_key(type->tenant, kSchemaTypeEntity, type->id),
                         encode(*type));
  catalog.put(type);
}

void CatalogStore::change_schema_type(const TenantContext& who, const SchemaType& type,
                                      std::optional<Validation> mode,
                                      std::optional<schema::Compatibility> compatibility) {
  auto changed = std::make_shared<SchemaType>(type);
  ++changed->revision;
  changed->mode = mode.value_or(type.mode);
  changed->compatibility = compatibility.value_or(type.compatibility);
  std::vector<AuditChange> changes;
  add_changed_settings(&type, *changed, &changes);
  put_schema_type(changed);
  ctx_->writes(this).strengthen(Durability::durable);
  ctx_->audit().note(who,
                     {AuditAction::schema_updated, "schema " + type.type, "", std::move(changes)});
}

void CatalogStore::update_schema_type(std::unique_ptr<UpdateSchemaType> request) {
  const TenantId tenant = request->tenant.tenant();
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  const SchemaTypePtr type = newest_->schema_type(tenant, request->type);
  if (type == nullptr) return refuse(no_such_schema(request->type, 0));
  if (request->if_revision != 0 && request->if_revision != type->revision) {
    return refuse(Error(ErrorCode::version_conflict,
                        request->type + " is at revision " + std::to_string(type->revision)));
  }
  const bool as_it_is = request->mode.value_or(type->mode) == type->mode &&
                        request->compatibility.value_or(type->compatibility) == type->compatibility;
  if (!as_it_is) {
    change_schema_type(request->tenant, *type, request->mode, request->compatibility);
  }
  request->changed = newest_->schema_type(tenant, request->type);
  ctx_->reply_committed(std::move(request), newest_change());
}

void CatalogStore::delete_schema(std::unique_ptr<DeleteSchema> request) {
  const TenantId tenant = request->tenant.tenant();
  const SchemaTypePtr type = newest_->schema_type(tenant, request->type);
  const int32_t version = request->version;
  if (type == nullptr || (version != 0 && !type->versions.contains(version))) {
    request->error = no_such_schema(request->type, version);
    return ctx_->reply(std::move(request));
  }
  // A type has at least one.
  if (version == 0 || type->versions.size() == 1) {
    request->deleted = static_cast<uint32_t>(type->versions.size());
    remove_schema_type(*type);
  } else {
    request->deleted = 1;
    ctx_->writes(this).remove(
        storage::state_place(tenant),
        storage::catalog_key(tenant, kSchemaVersionEntity, type->versions.at(version)->id));
    auto changed = std::make_shared<SchemaType>(*type);
    changed->versions.erase(version);
    ++changed->revision;
    put_schema_type(changed);
  }
  ctx_->audit().note(request->tenant,
                     {AuditAction::schema_deleted,
                      "schema " + type->type,
                      "",
                      {{"version", version == 0 ? "all" : std::to_string(version), ""}}});
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::remove_schema_type(const SchemaType& type) {
  auto& catalog = stage();
  auto& writes = ctx_->writes(this);
  const auto place = storage::state_place(type.tenant);
  for (const auto& [number, version] : type.versions) {
    writes.remove(place, storage::catalog_key(type.tenant, kSchemaVersionEntity, version->id));
  }
  writes.remove(place, storage::catalog_key(type.tenant, kSchemaTypeEntity, type.id));
  catalog.erase(type);
}

uint32_t CatalogStore::remove_schemas_of(TenantId tenant) {
  const TenantSchemasPtr all = newest_->schemas_of(tenant);
  if (all == nullptr) return 0;
  for (const auto& [name, type] : all->types) remove_schema_type(*type);
  return static_cast<uint32_t>(all->types.size());
}

void CatalogStore::diff_schemas(std::unique_ptr<DiffSchemas> request) {
  const SchemaTypePtr type = newest_->schema_type(request->tenant.tenant(), request->type);
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (type == nullptr) return refuse(no_such_schema(request->type, 0));
  if (request->to == 0) request->to = type->versions.rbegin()->first;
  const auto to = type->versions.find(request->to);
  if (to == type->versions.end()) return refuse(no_such_schema(request->type, request->to));
  if (request->from == 0) {
    if (to == type->versions.begin()) {
      return refuse(
          Error(ErrorCode::unknown_schema,
                "'" + request->type + "' has no version before " + std::to_string(request->to)));
    }
    request->from = std::prev(to)->first;
  }
  const auto from = type->versions.find(request->from);
  if (from == type->versions.end()) return refuse(no_such_schema(request->type, request->from));
  ask_worker(std::move(request), nullptr, from->second, to->second);
}

void CatalogStore::check_event(std::unique_ptr<CheckEvent> request) {
  const SchemaTypePtr type = newest_->schema_type(request->tenant.tenant(), request->type);
  if (type != nullptr && request->version == 0) request->version = type->versions.rbegin()->first;
  if (type == nullptr || !type->versions.contains(request->version)) {
    request->error = no_such_schema(request->type, request->version);
    return ctx_->reply(std::move(request));
  }
  const SchemaVersionPtr version = type->versions.at(request->version);
  ask_worker(std::move(request), nullptr, nullptr, version);
}

// ---- loading: types come before their versions

bool CatalogStore::load_schema_type(TenantId tenant, uint32_t id, std::string_view row) {
  auto type = decode_schema_type(tenant, id, row);
  if (!type) return false;
  loaded_types_[id] = std::make_shared<SchemaType>(std::move(*type));
  return true;
}

bool CatalogStore::load_schema_version(uint32_t id, std::string_view row) {
  uint32_t type_id = 0;
  auto version = decode_schema_version(id, row, &type_id);
  if (!version) return false;
  const auto type = loaded_types_.find(type_id);
  if (type == loaded_types_.end()) return false;
  const int32_t number = version->version;
  type->second->versions[number] = std::make_shared<const SchemaVersion>(std::move(*version));
  return true;
}

bool CatalogStore::schemas_loaded() {
  for (auto& [id, type] : loaded_types_) {
    if (type->versions.empty()) return false;
    newest_->put(SchemaTypePtr(std::move(type)));
  }
  loaded_types_.clear();
  return true;
}

}  // namespace headrace::core
