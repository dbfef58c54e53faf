#include "broker/live_settings.h"

#include "metrics/log.h"

namespace headrace::broker {

Config take_over(const Config& used, const Config& fresh, ReloadReport* report) {
  Config next = used;
  for (const ConfigField& field : config_fields()) {
    SettingChange change{field.name(), field.value(used), field.value(fresh)};
    if (change.before == change.now) continue;
    if (!field.live()) {
      report->restart.push_back(std::move(change));
      continue;
    }
    const auto from = field.member(const_cast<Config*>(&fresh));
    std::visit([&](auto* to) { *to = *std::get<decltype(to)>(from); }, field.member(&next));
    report->taken.push_back(std::move(change));
  }
  return next;
}

void configure_log(const Config& config) {
  log::Level level = log::Level::info;
  log::parse_level(config.log.level, &level);  // one of its choices
  log::Format format = log::format_for_standard_error();
  if (config.log.format == "text") format = log::Format::text;
  if (config.log.format == "json") format = log::Format::json;
  log::configure(level, format);
}

}  // namespace headrace::broker
