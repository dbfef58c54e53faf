// /v1/backups: for platform admins, of the whole node.
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_access.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"

namespace headrace::admin {
namespace {

std::string state_json(const storage::BackupState& state) {
  JsonRows rows;
  for (const storage::BackupInfo& one : state.kept) {
    rows.add([&](JsonLine* line) {
      line->number("id", one.id)
          .text("time", format_time_us(one.time_s * kMicrosPerSecond))
          .number("bytes", static_cast<int64_t>(one.bytes))
          .number("files", one.files);
    });
  }
  std::optional<std::string> error;
  if (!state.last_error.empty()) error = state.last_error;
  std::string body;
  JsonLine(&body)
      .boolean("running", state.running)
      .number("copied_bytes", static_cast<int64_t>(state.copied_bytes))
      .text_or_null("last_error", error)
      .raw("backups", rows.text())
      .end();
  return body;
}

}  // namespace

void get_backups(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  call->reply(200, state_json(call->admin().store().backups().state()));
}

void start_backup(const CallPtr& call) {
  Body body(call->request());
  if (const core::Error error = body.finish()) return call->fail(error);
  if (!call->admin().store().backups().configured()) {
    return call->fail({core::ErrorCode::invalid_request, "backup.dir is not set"});
  }
  if (call->admin().store().backups().state().running) {
    return call->fail({core::ErrorCode::busy, "a backup runs already"});
  }
  // In the trail first: the backup holds who asked for it.
  auto note = std::make_unique<core::NoteAction>(call->tenant());
  note->shard = kMetaShard;
  note->action = core::AuditAction::backup_started;
  note->object = "node";
  call->ask<core::NoteAction>(std::move(note), [call](core::NoteAction&) {
    auto& backups = call->admin().store().backups();
    if (!backups.start()) return call->fail({core::ErrorCode::busy, "a backup runs already"});
    call->reply(202, state_json(backups.state()));
  });
}

}  // namespace headrace::admin
