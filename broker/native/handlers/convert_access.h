// Tenants, principals and keys ↔ their messages; also used by broker/admin.
#pragma once

#include <optional>
#include <vector>

#include "broker/core/api_access.h"
#include "headrace.pb.h"

namespace headrace::native {

void to_proto(const core::Grant& grant, proto::Grant* to);
void to_proto(const core::CatalogSnapshot& catalog, const core::Tenant& tenant, proto::Tenant* to);
void to_proto(const core::Principal& principal, proto::Principal* to);
void to_proto(const core::Principal& holder, const core::ApiKey& key, int64_t last_used_us,
              proto::Key* to);
void to_proto(const core::CatalogSnapshot& catalog, const core::TenantContext& who,
              proto::MeOk* to);
void to_proto(const core::DeleteTenant& receipt, proto::DeleteTenantOk* to);

core::QuotaChanges from_proto(const proto::Quotas& quotas);

// invalid_request naming the field.
core::Error from_proto(const google::protobuf::RepeatedPtrField<proto::Grant>& grants,
                       std::vector<core::Grant>* to);

// One page of the tenants, or of the tenant's principals.
core::Error list(const core::CatalogSnapshot& catalog, const proto::ListTenants& asked,
                 proto::ListTenantsOk* to);
core::Error list(const core::CatalogSnapshot& catalog, TenantId tenant,
                 const proto::ListPrincipals& asked, proto::ListPrincipalsOk* to);

}  // namespace headrace::native
