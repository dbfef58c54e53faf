// The configuration: one typed struct, described once in config.def. Sources in rising order:
// defaults, TOML file, environment, flags. Read and checked once at start, before any thread.
//
// Nothing throws. Errors are whole sentences that name the field, where the value came from, the
// value and what is allowed; all of them are reported, not only the first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "json/redactor.h"

namespace headrace::broker {

namespace config_units {
constexpr int64_t kMillisecond = 1'000;  // in microseconds
constexpr int64_t kSecond = 1'000 * kMillisecond;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;
constexpr int64_t kTiB = 1024 * kGiB;

struct Values {
#define HR_SECTION(name, doc) struct {
#define HR_END(name) \
  }                  \
  name;
#define HR_NUMBER(section, key, default_value, least, most, doc) int64_t key = default_value;
#define HR_DURATION(section, key, default_us, least, most, doc) int64_t key##_us = default_us;
#define HR_SIZE(section, key, default_bytes, least, most, doc) int64_t key##_bytes = default_bytes;
#define HR_FLAG(section, key, default_value, doc) bool key = default_value;
#define HR_CHOICE(section, key, default_value, choices, doc) std::string key = default_value;
#define HR_ADDRESS(section, key, default_value, doc) std::string key = default_value;
#define HR_TEXT(section, key, default_value, doc) std::string key = default_value;
#define HR_FILE(section, key, doc) std::string key;
#define HR_LIST(section, key, default_value, doc) std::string key = default_value;
#include "broker/config.def"
#undef HR_SECTION
#undef HR_END
#undef HR_NUMBER
#undef HR_DURATION
#undef HR_SIZE
#undef HR_FLAG
#undef HR_CHOICE
#undef HR_ADDRESS
#undef HR_TEXT
#undef HR_FILE
#undef HR_LIST
};
}  // namespace config_units

// config.broker.listen, config.limits.handshake_us, config.storage.budget_bytes …
using Config = config_units::Values;

enum class ConfigKind : uint8_t { number, duration, size, flag, choice, address, text, file, list };

// One line of config.def.
struct ConfigField {
  using Member = std::variant<int64_t*, bool*, std::string*>;

  std::string_view section;
  std::string_view key;
  ConfigKind kind;
  int64_t least = 0;
  int64_t most = 0;
  std::string_view choices;  // separated by spaces
  std::string_view doc;
  Member (*member)(Config* config);

  std::string name() const;         // "limits.handshake"
  std::string environment() const;  // "HEADRACE_LIMITS_HANDSHAKE"
  std::string flag() const;         // "--set limits.handshake"; for the most used ones "--listen"
  std::string allowed() const;      // "100ms .. 1m"
  bool live() const;                // a running broker takes over its change (live_settings.h)
  std::string value(const Config& config) const;  // as text, which load_config reads
};

// In the order of config.def.
const std::vector<ConfigField>& config_fields();

struct ConfigSources {
  std::string file;                                              // path of a TOML file; empty: none
  std::vector<std::pair<std::string, std::string>> environment;  // only HEADRACE_ names matter
  std::vector<std::pair<std::string, std::string>> flags;        // "limits.handshake" → "2s"
};

// HEADRACE_ variables of this process.
std::vector<std::pair<std::string, std::string>> environment_of_process();

// Nothing, and at least one sentence in *errors, if anything is wrong.
std::optional<Config> load_config(const ConfigSources& sources, std::vector<std::string>* errors);

// What section `redact` asks for; nullptr and a sentence if that is not possible, which load_config
// has seen to.
std::shared_ptr<const Redactor> make_redactor(const Config& config, std::string* error);

// The configuration as a TOML file that load_config reads back; with the documentation of each
// field as comments. For `headrace config`.
std::string config_as_toml(const Config& config);

// docs/configuration.md.
std::string configuration_page();

}  // namespace headrace::broker
