// Who may touch what. A TenantContext is the proof that a caller was let into a tenant; no storage
// or core call exists without one, and only Access makes them.
#pragma once

#include <string_view>

#include "storage/types.h"

namespace headrace::core {

class TenantContext {
 public:
  TenantId tenant() const { return tenant_; }
  // As the audit trail names them.
  std::string_view actor() const { return node_ ? "broker" : "anonymous"; }

 private:
  friend class Access;
  TenantContext(TenantId tenant, bool node) : tenant_(tenant), node_(node) {}

  TenantId tenant_;
  bool node_;
};

class Access {
 public:
  // A caller without credentials on a loopback listener: owner of the default tenant.
  static TenantContext anonymous() { return TenantContext(kDefaultTenant, false); }
  // The node's own work: loading, retention, statistics of one tenant.
  static TenantContext node(TenantId tenant) { return TenantContext(tenant, true); }
};

}  // namespace headrace::core
