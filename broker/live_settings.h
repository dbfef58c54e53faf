// What a running broker takes over of its configuration when that was changed.
#pragma once

#include <string>
#include <vector>

#include "broker/config.h"

namespace headrace::broker {

struct SettingChange {
  std::string name;  // "log.level"
  std::string before;
  std::string now;
};

struct ReloadReport {
  std::vector<std::string> errors;     // sentences; if any, nothing was taken over
  std::vector<SettingChange> taken;    // in use
  std::vector<SettingChange> restart;  // count from the next start
  bool certificate = false;            // its files were read again
};

// `used` with what is live of `fresh`; the report tells what differs. Pure.
Config take_over(const Config& used, const Config& fresh, ReloadReport* report);

// log.level and log.format.
void configure_log(const Config& config);

}  // namespace headrace::broker
