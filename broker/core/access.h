// Who may touch what. A TenantContext is the proof that a caller was let into a tenant; no storage
// or core call exists without one, and only Access makes them.
#pragma once

#include "storage/types.h"

namespace headrace::core {

class TenantContext {
 public:
  TenantId tenant() const { return tenant_; }

 private:
  friend class Access;
  explicit TenantContext(TenantId tenant) : tenant_(tenant) {}

  TenantId tenant_;
};

class Access {
 public:
  // A caller without credentials on a loopback listener: owner of the default tenant.
  static TenantContext anonymous() { return TenantContext(kDefaultTenant); }
  // The node's own work: loading, retention, statistics of one tenant.
  static TenantContext node(TenantId tenant) { return TenantContext(tenant); }
};

}  // namespace headrace::core
