// The node's settings while it serves: what is in use, reading the configuration again, the log
// level. For platform admins; what they change is in the audit trail of their tenant.
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_access.h"
#include "broker/core/audit.h"
#include "json/json_rows.h"
#include "metrics/log.h"

namespace headrace::admin {
namespace {

std::string changes_json(const std::vector<broker::SettingChange>& changes) {
  JsonRows rows;
  for (const auto& change : changes) {
    rows.add([&](JsonLine* line) {
      line->text("setting", change.name).text("before", change.before).text("now", change.now);
    });
  }
  return rows.text();
}

// Durable, then what follows.
void note_change(const CallPtr& call, core::AuditAction action, std::string object,
                 const std::vector<broker::SettingChange>& changes, std::function<void()> go_on) {
  auto entry = std::make_unique<core::NoteAction>(call->tenant());
  entry->shard = kMetaShard;
  entry->action = action;
  entry->object = std::move(object);
  for (const auto& [name, before, now] : changes) entry->changes.push_back({name, before, now});
  call->ask<core::NoteAction>(std::move(entry), [go_on](core::NoteAction&) { go_on(); });
}

void answer_reload(const CallPtr& call, const broker::ReloadReport& report) {
  if (!report.errors.empty()) {
    std::string all;
    for (const auto& error : report.errors) all += (all.empty() ? "" : "; ") + error;
    return call->fail({core::ErrorCode::invalid_request, all});
  }
  std::string body;
  JsonLine(&body)
      .raw("taken", changes_json(report.taken))
      .raw("restart", changes_json(report.restart))
      .boolean("certificate", report.certificate)
      .end();
  if (report.taken.empty() && !report.certificate) return call->reply(200, std::move(body));
  note_change(call, core::AuditAction::config_reloaded, "configuration", report.taken,
              [call, body = std::move(body)] { call->reply(200, body); });
}

}  // namespace

void get_config(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  const broker::Config& config = call->admin().options().config;
  JsonRows rows;
  for (const broker::ConfigField& field : broker::config_fields()) {
    rows.add([&](JsonLine* line) {
      line->text("setting", field.name())
          .text("value", field.value(config))
          .text("default", field.value(broker::Config()))
          .text("allowed", field.allowed())
          .boolean("live", field.live());
    });
  }
  std::string body;
  JsonLine(&body)
      .raw("settings", rows.text())
      .text("log_level", log::level_name(log::level()))
      .end();
  call->reply(200, std::move(body));
}

void reload_config(const CallPtr& call) {
  Body body(call->request());
  if (const core::Error error = body.finish()) return call->fail(error);
  const bool asked = call->admin().options().reload([call](const broker::ReloadReport& report) {
    call->admin().post([call, report] { answer_reload(call, report); });
  });
  if (!asked) call->fail({core::ErrorCode::busy, "others wait for a reload already"});
}

void set_log_level(const CallPtr& call) {
  Body body(call->request());
  body.require("level");
  const auto level =
      body.form("level", "debug, info, warn, error or fatal", [](std::string_view text) {
        log::Level parsed{};
        return log::parse_level(text, &parsed) ? std::optional(parsed) : std::nullopt;
      });
  if (const core::Error error = body.finish()) return call->fail(error);
  const std::string before(log::level_name(log::level()));
  const std::string now(log::level_name(*level));
  note_change(call, core::AuditAction::log_level_set, "log", {{"level", before, now}},
              [call, level = *level, before, now] {
                log::set_level(level);
                std::string reply;
                JsonLine(&reply).text("level", now).text("before", before).end();
                call->reply(200, std::move(reply));
              });
}

}  // namespace headrace::admin
