// Tenants, principals, API keys: blocking calls, for any thread but the client's own. As admin.h.
#pragma once

#include <string>

#include "client/client.h"

namespace headrace::client {

Result<proto::MeOk> me(Client& client);

// Platform admins.
Result<proto::ListTenantsOk> list_tenants(Client& client, const proto::ListTenants& request);
Result<proto::CreateTenantOk> create_tenant(Client& client, const proto::CreateTenant& request);
// `state`: active, suspended.
Result<proto::SetTenantStateOk> set_tenant_state(Client& client, const std::string& tenant,
                                                 const std::string& state,
                                                 const std::string& reason);
// `quotas`: what is set in it changes; 0: no limit any more.
Result<proto::SetQuotasOk> set_quotas(Client& client, const std::string& tenant,
                                      const proto::Quotas& quotas, const std::string& reason);
Result<proto::DeleteTenantOk> delete_tenant(Client& client, const std::string& tenant,
                                            const std::string& reason);

// In the caller's tenant.
Result<proto::ShowQuotasOk> show_quotas(Client& client);
Result<proto::ListPrincipalsOk> list_principals(Client& client,
                                                const proto::ListPrincipals& request);
Result<proto::CreatePrincipalOk> create_principal(Client& client,
                                                  const proto::CreatePrincipal& request);
Result<proto::UpdatePrincipalOk> update_principal(Client& client,
                                                  const proto::UpdatePrincipal& request);
Result<proto::DeletePrincipalOk> delete_principal(Client& client, const std::string& principal);
// Instead of the one it has; its open connections end. The broker keeps nothing that it could log
// in with.
Result<proto::SetPasswordOk> set_password(Client& client, const std::string& principal,
                                          const std::string& password);
Result<proto::DeletePasswordOk> delete_password(Client& client, const std::string& principal);
Result<proto::ListKeysOk> list_keys(Client& client, const std::string& principal);  // empty: all
// The answer holds the key's text, which the broker does not keep.
Result<proto::CreateKeyOk> create_key(Client& client, const proto::CreateKey& request);
Result<proto::RevokeKeyOk> revoke_key(Client& client, const std::string& id, int64_t after_ms);

}  // namespace headrace::client
