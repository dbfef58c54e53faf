// /healthz: the process answers. /readyz: it serves, with the detail of every part. Neither tells
// anything about tenants.
#include <nlohmann/json.hpp>

#include "broker/admin/routes.h"

namespace headrace::admin {

void get_healthz(const CallPtr& call) {
  call->reply(200, "{\"status\":\"ok\"}");
}

void get_readyz(const CallPtr& call) {
  Admin& admin = call->admin();
  const storage::Pressure pressure = admin.store().pressure();
  const auto info = admin.store().info();
  const char* disk = pressure.disk == storage::Pressure::Disk::ok    ? "ok"
                     : pressure.disk == storage::Pressure::Disk::low ? "low"
                                                                     : "critical";
  nlohmann::ordered_json body;
  const bool ready = !admin.draining() && pressure.disk != storage::Pressure::Disk::critical;
  body["status"] = ready ? "ready" : admin.draining() ? "draining" : "not ready";
  body["version"] = admin.options().version;
  body["parts"]["disk"]["state"] = disk;
  auto& committer = body["parts"]["committer"];
  committer["last_synced_group"] = info.last_group;
  committer["in_flight_bytes"] = pressure.in_flight_bytes;
  committer["budget_bytes"] = pressure.budget_bytes;
  committer["crc32c"] = info.crc32c_in_hardware ? "hardware" : "software";
  auto& store = body["parts"]["store"];
  store["families"] = info.families;
  store["log_bytes"] = info.log_bytes;
  store["memtable_bytes"] = info.memtable_bytes;
  body["parts"]["reactors"]["count"] = admin.reactors().size();
  call->reply(ready ? 200 : 503, body.dump());
}

}  // namespace headrace::admin
