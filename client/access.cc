#include "client/access.h"

namespace headrace::client {

using net::native::MessageType;

Result<proto::MeOk> me(Client& client) {
  return client.call<proto::MeOk>(MessageType::me, proto::Me{}, repeatable());
}

Result<proto::ListTenantsOk> list_tenants(Client& client, const proto::ListTenants& request) {
  return client.call<proto::ListTenantsOk>(MessageType::list_tenants, request, repeatable());
}

Result<proto::CreateTenantOk> create_tenant(Client& client, const proto::CreateTenant& request) {
  return client.call<proto::CreateTenantOk>(MessageType::create_tenant, request,
                                            repeatable(request.if_missing()));
}

Result<proto::SetTenantStateOk> set_tenant_state(Client& client, const std::string& tenant,
                                                 const std::string& state,
                                                 const std::string& reason) {
  proto::SetTenantState request;
  request.set_name(tenant);
  request.set_state(state);
  request.set_reason(reason);
  return client.call<proto::SetTenantStateOk>(MessageType::set_tenant_state, request, repeatable());
}

Result<proto::SetQuotasOk> set_quotas(Client& client, const std::string& tenant,
                                      const proto::Quotas& quotas, const std::string& reason) {
  proto::SetQuotas request;
  request.set_name(tenant);
  *request.mutable_quotas() = quotas;
  request.set_reason(reason);
  return client.call<proto::SetQuotasOk>(MessageType::set_quotas, request, repeatable());
}

Result<proto::ShowQuotasOk> show_quotas(Client& client) {
  return client.call<proto::ShowQuotasOk>(MessageType::show_quotas, proto::ShowQuotas{},
                                          repeatable());
}

Result<proto::DeleteTenantOk> delete_tenant(Client& client, const std::string& tenant,
                                            const std::string& reason) {
  proto::DeleteTenant request;
  request.set_name(tenant);
  request.set_reason(reason);
  return client.call<proto::DeleteTenantOk>(MessageType::delete_tenant, request);
}

Result<proto::ListPrincipalsOk> list_principals(Client& client,
                                                const proto::ListPrincipals& request) {
  return client.call<proto::ListPrincipalsOk>(MessageType::list_principals, request, repeatable());
}

Result<proto::CreatePrincipalOk> create_principal(Client& client,
                                                  const proto::CreatePrincipal& request) {
  return client.call<proto::CreatePrincipalOk>(MessageType::create_principal, request,
                                               repeatable(request.if_missing()));
}

Result<proto::UpdatePrincipalOk> update_principal(Client& client,
                                                  const proto::UpdatePrincipal& request) {
  return client.call<proto::UpdatePrincipalOk>(MessageType::update_principal, request);
}

Result<proto::DeletePrincipalOk> delete_principal(Client& client, const std::string& principal) {
  proto::DeletePrincipal request;
  request.set_name(principal);
  return client.call<proto::DeletePrincipalOk>(MessageType::delete_principal, request);
}

Result<proto::SetPasswordOk> set_password(Client& client, const std::string& principal,
                                          const std::string& password) {
  proto::SetPassword request;
  request.set_principal(principal);
  request.set_password(password);
  return client.call<proto::SetPasswordOk>(MessageType::set_password, request, repeatable());
}

Result<proto::DeletePasswordOk> delete_password(Client& client, const std::string& principal) {
  proto::DeletePassword request;
  request.set_principal(principal);
  return client.call<proto::DeletePasswordOk>(MessageType::delete_password, request, repeatable());
}

Result<proto::ListKeysOk> list_keys(Client& client, const std::string& principal) {
  proto::ListKeys request;
  request.set_principal(principal);
  return client.call<proto::ListKeysOk>(MessageType::list_keys, request, repeatable());
}

Result<proto::CreateKeyOk> create_key(Client& client, const proto::CreateKey& request) {
  return client.call<proto::CreateKeyOk>(MessageType::create_key, request);
}

Result<proto::RevokeKeyOk> revoke_key(Client& client, const std::string& id, int64_t after_ms) {
  proto::RevokeKey request;
  request.set_id(id);
  request.set_after_ms(after_ms);
  return client.call<proto::RevokeKeyOk>(MessageType::revoke_key, request, repeatable());
}

}  // namespace headrace::client
