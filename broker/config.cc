#include "broker/config.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <sstream>

#include "metrics/edit_distance.h"
#include "metrics/quantity.h"
#include "net/io.h"

// Without exceptions: a syntax error is a value here.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace headrace::broker {
namespace {

using namespace config_units;

struct Section {
  std::string_view name;
  std::string_view doc;
};

constexpr Section kSections[] = {
#define HR_SECTION(name, doc) {#name, doc},
#define HR_END(name)
#define HR_NUMBER(section, key, default_value, least, most, doc)
#define HR_DURATION(section, key, default_us, least, most, doc)
#define HR_SIZE(section, key, default_bytes, least, most, doc)
#define HR_FLAG(section, key, default_value, doc)
#define HR_CHOICE(section, key, default_value, choices, doc)
#define HR_ADDRESS(section, key, default_value, doc)
#define HR_TEXT(section, key, default_value, doc)
#define HR_FILE(section, key, doc)
#define HR_LIST(section, key, default_value, doc)
#include "broker/config.def"
#undef HR_SECTION
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

#define HR_ROW(section, key, member, kind, least, most, choices, doc)                           \
  ConfigField{#section, #key, ConfigKind::kind, least, most, choices, doc, [](Config* config) { \
                return ConfigField::Member(&config->section.member);                            \
              }},
const std::vector<ConfigField> kFields = {
#define HR_SECTION(name, doc)
#define HR_NUMBER(section, key, default_value, least, most, doc) \
  HR_ROW(section, key, key, number, least, most, "", doc)
#define HR_DURATION(section, key, default_us, least, most, doc) \
  HR_ROW(section, key, key##_us, duration, least, most, "", doc)
#define HR_SIZE(section, key, default_bytes, least, most, doc) \
  HR_ROW(section, key, key##_bytes, size, least, most, "", doc)
#define HR_FLAG(section, key, default_value, doc) HR_ROW(section, key, key, flag, 0, 1, "", doc)
#define HR_CHOICE(section, key, default_value, choices, doc) \
  HR_ROW(section, key, key, choice, 0, 0, choices, doc)
#define HR_ADDRESS(section, key, default_value, doc) \
  HR_ROW(section, key, key, address, 0, 0, "", doc)
#define HR_TEXT(section, key, default_value, doc) HR_ROW(section, key, key, text, 0, 0, "", doc)
#define HR_FILE(section, key, doc) HR_ROW(section, key, key, file, 0, 0, "", doc)
#define HR_LIST(section, key, default_value, doc) HR_ROW(section, key, key, list, 0, 0, "", doc)
#include "broker/config.def"
};

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

bool one_of(std::string_view choices, std::string_view word) {
  while (!choices.empty()) {
    const std::string_view choice = choices.substr(0, choices.find(' '));
    if (choice == word) return true;
    choices.remove_prefix(std::min(choices.size(), choice.size() + 1));
  }
  return false;
}

std::optional<int64_t> parse_whole(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || at != end || text.empty()) return std::nullopt;
  return number;
}

std::string_view shape(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::number:
      return "a whole number";
    case ConfigKind::duration:
      return kDurationExample;
    case ConfigKind::size:
      return kSizeExample;
    case ConfigKind::flag:
      return "true or false";
    case ConfigKind::choice:
      return "one of the choices";
    case ConfigKind::address:
      return "HOST:PORT with a numeric host";
    case ConfigKind::text:
      return "text that is not empty";
    case ConfigKind::file:
      return "a path, or empty";
    case ConfigKind::list:
      return "words separated by spaces, or empty";
  }
  return "";
}

std::string print_bound(ConfigKind kind, int64_t value) {
  if (kind == ConfigKind::duration) return format_duration_us(value);
  if (kind == ConfigKind::size) return format_size(value);
  return std::to_string(value);
}

// Sets the field from its text; false if the text has the wrong shape or is out of range.
bool assign_text(const ConfigField& field, std::string_view text, Config* config) {
  const auto member = field.member(config);
  if (auto* const* number = std::get_if<int64_t*>(&member)) {
    const auto parsed = field.kind == ConfigKind::duration ? parse_duration_us(text)
                        : field.kind == ConfigKind::size   ? parse_size(text)
                                                           : parse_whole(text);
    if (!parsed || *parsed < field.least || *parsed > field.most) return false;
    **number = *parsed;
    return true;
  }
  if (auto* const* flag = std::get_if<bool*>(&member)) {
    if (text != "true" && text != "false") return false;
    **flag = text == "true";
    return true;
  }
  if (field.kind == ConfigKind::choice && !one_of(field.choices, text)) return false;
  net::Endpoint endpoint;
  std::string ignored;
  // As by default, or a list of nothing.
  const bool none =
      text.empty() && (field.value(Config()).empty() || field.kind == ConfigKind::list);
  if (field.kind == ConfigKind::address && !none &&
      !net::parse_endpoint(text, &endpoint, &ignored)) {
    return false;
  }
  if (text.find('\0') != text.npos || (text.empty() && !none)) return false;
  **std::get_if<std::string*>(&member) = std::string(text);
  return true;
}

const ConfigField* find_field(std::string_view name) {
  for (const ConfigField& field : kFields) {
    if (field.name() == name) return &field;
  }
  return nullptr;
}

std::string nearest(std::string_view name, std::string (ConfigField::*spelling)() const) {
  const auto closest = std::min_element(
      kFields.begin(), kFields.end(), [&](const ConfigField& a, const ConfigField& b) {
        return edit_distance((a.*spelling)(), name) < edit_distance((b.*spelling)(), name);
      });
  return ((*closest).*spelling)();
}

// Collects what is wrong while the sources are laid over each other.
class Loader {
 public:
  explicit Loader(std::vector<std::string>* errors) : errors_(errors) {}

  void read_file(const std::string& path) {
    toml::parse_result parsed = toml::parse_file(path);
    if (!parsed) {
      const toml::parse_error& failure = parsed.error();
      const auto line = failure.source().begin.line;
      complain((line > 0 ? path + ":" + std::to_string(line) : path) + ": " +
               std::string(failure.description()));
      return;
    }
    for (const auto& [section, node] : parsed.table()) {
      const std::string at = path + ":" + std::to_string(node.source().begin.line);
      if (const toml::table* keys = node.as_table()) {
        read_section(path, section.str(), *keys);
      } else {
        unknown(std::string(section.str()), at);
      }
    }
  }

  void read_environment(const std::vector<std::pair<std::string, std::string>>& variables) {
    for (const auto& [variable, text] : variables) {
      const auto same = [&](const ConfigField& f) { return f.environment() == variable; };
      const auto field = std::find_if(kFields.begin(), kFields.end(), same);
      if (field != kFields.end()) {
        set(*field, text, "environment " + variable);
      } else if (names_a_section(variable)) {
        complain("environment " + variable + ": there is no such setting; the nearest is " +
                 nearest(variable, &ConfigField::environment));
      }
    }
  }

  void read_flags(const std::vector<std::pair<std::string, std::string>>& flags) {
    for (const auto& [name, text] : flags) {
      const ConfigField* field = find_field(name);
      if (field == nullptr)
        unknown(name, "command line");
      else
        set(*field, text, "flag " + field->flag());
    }
  }

  // What one field alone cannot say.
  void check_relations() {
    if (config.storage.disk_low_bytes != 0 &&
        config.storage.disk_critical_bytes >= config.storage.disk_low_bytes) {
      complain("storage.disk_critical " + format_size(config.storage.disk_critical_bytes) +
               " must be below storage.disk_low " + format_size(config.storage.disk_low_bytes));
    }
    if (config.limits.handshake_us > config.limits.idle_us) {
      complain("limits.handshake " + format_duration_us(config.limits.handshake_us) +
               " must not be above limits.idle " + format_duration_us(config.limits.idle_us));
    }
    if (config.tls.certificate.empty() != config.tls.key.empty()) {
      complain("tls.certificate and tls.key belong together: one of them is not set");
    }
    std::string why;
    if (make_redactor(config, &why) == nullptr) complain("redact: " + why);
    if (!config.tls.client_ca.empty() && config.tls.certificate.empty()) {
      complain("tls.client_ca needs tls.certificate: without it there is no TLS");
    }
    net::Endpoint native;
    net::Endpoint http;
    std::string ignored;
    const bool both = net::parse_endpoint(config.broker.listen, &native, &ignored) &&
                      net::parse_endpoint(config.http.listen, &http, &ignored);
    if (both && native.port != 0 && native.port == http.port && native.host == http.host) {
      complain("broker.listen and http.listen are the same address " + config.broker.listen);
    }
  }

  Config config;

 private:
  void read_section(const std::string& path, std::string_view section, const toml::table& keys) {
    for (const auto& [key, node] : keys) {
      const std::string name = std::string(section) + "." + std::string(key.str());
      const std::string at = path + ":" + std::to_string(node.source().begin.line);
      const ConfigField* field = find_field(name);
      if (field == nullptr) {
        unknown(name, at);
      } else if (const auto text = text_of(node, field->kind)) {
        set(*field, *text, at);
      } else {
        complain(at + ": " + name + " must be " + std::string(shape(field->kind)));
      }
    }
  }

  static std::optional<std::string> text_of(const toml::node& node, ConfigKind kind) {
    if (const auto* words = node.as_array(); words != nullptr && kind == ConfigKind::list) {
      std::string all;
      for (const toml::node& word : *words) {
        if (!word.is_string()) return std::nullopt;
        all += (all.empty() ? "" : " ") + word.as_string()->get();
      }
      return all;
    }
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    return std::nullopt;
  }

  static bool names_a_section(std::string_view variable) {
    return std::any_of(std::begin(kSections), std::end(kSections), [&](const Section& section) {
      const std::string prefix = "HEADRACE_" + upper(std::string(section.name)) + "_";
      return variable.substr(0, prefix.size()) == prefix;
    });
  }

  void set(const ConfigField& field, std::string_view text, const std::string& source) {
    if (assign_text(field, text, &config)) return;
    complain(source + ": " + field.name() + " = " + quoted(text) + " is not " +
             std::string(shape(field.kind)) + "; allowed: " + field.allowed() + ", default " +
             field.value(Config()));
  }

  void unknown(const std::string& name, const std::string& source) {
    complain(source + ": there is no setting " + quoted(name) + "; the nearest is " +
             quoted(nearest(name, &ConfigField::name)));
  }

  void complain(std::string sentence) { errors_->push_back(std::move(sentence)); }

  std::vector<std::string>* errors_;
};

std::string toml_string(const std::string& text) {
  std::ostringstream out;
  out << toml::toml_formatter(toml::value<std::string>(text));
  return out.str();
}

bool is_quoted_in_toml(ConfigKind kind) {
  return kind != ConfigKind::number && kind != ConfigKind::flag;
}

}  // namespace

const std::vector<ConfigField>& config_fields() {
  return kFields;
}

std::string ConfigField::name() const {
  return std::string(section) + "." + std::string(key);
}

std::string ConfigField::environment() const {
  return "HEADRACE_" + upper(std::string(section)) + "_" + upper(std::string(key));
}

std::string ConfigField::flag() const {
  const std::string dotted = name();
  if (dotted == "http.listen") return "--http-listen";
  if (dotted == "broker.data" || dotted == "broker.listen" || dotted == "broker.reactors") {
    return "--" + std::string(key);
  }
  return "--set " + dotted;
}

std::string ConfigField::allowed() const {
  switch (kind) {
    case ConfigKind::number:
    case ConfigKind::duration:
    case ConfigKind::size:
      return print_bound(kind, least) + " .. " + print_bound(kind, most);
    case ConfigKind::choice:
      return std::string(choices);
    case ConfigKind::address:
      return std::string(shape(kind)) + (value(Config()).empty() ? ", or empty" : "");
    default:
      return std::string(shape(kind));
  }
}

// Nothing that a connected client was told, and nothing that was built with its value.
bool ConfigField::live() const {
  constexpr std::string_view kLive[] = {"limits.connections", "metrics.max_series"};
  return section == "topics" || section == "log" || std::ranges::count(kLive, name()) > 0;
}

std::string ConfigField::value(const Config& config) const {
  const auto of = member(const_cast<Config*>(&config));
  if (const auto* number = std::get_if<int64_t*>(&of)) return print_bound(kind, **number);
  if (const auto* flag = std::get_if<bool*>(&of)) return **flag ? "true" : "false";
  return **std::get_if<std::string*>(&of);
}

std::vector<std::pair<std::string, std::string>> environment_of_process() {
  constexpr std::string_view kPrefix = "HEADRACE_";
  std::vector<std::pair<std::string, std::string>> found;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view line = *at;
    const size_t equals = line.find('=');
    if (equals == line.npos || line.substr(0, kPrefix.size()) != kPrefix) continue;
    found.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return found;
}

std::optional<Config> load_config(const ConfigSources& sources, std::vector<std::string>* errors) {
  const size_t before = errors->size();
  Loader loader(errors);
  if (!sources.file.empty()) loader.read_file(sources.file);
  loader.read_environment(sources.environment);
  loader.read_flags(sources.flags);
  if (errors->size() == before) loader.check_relations();
  if (errors->size() != before) return std::nullopt;
  return loader.config;
}

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words;
  std::istringstream in{std::string(list)};
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::shared_ptr<const Redactor> make_redactor(const Config& config, std::string* error) {
  return Redactor::make(words_of(config.redact.keys), words_of(config.redact.pointers), error);
}

std::string config_as_toml(const Config& config) {
  std::string text;
  for (const Section& section : kSections) {
    if (!text.empty()) text += "\n";
    text += "# " + std::string(section.doc) + "\n[" + std::string(section.name) + "]\n";
    for (const ConfigField& field : kFields) {
      if (field.section != section.name) continue;
      const std::string value = field.value(config);
      const std::string initial = field.value(Config());
      text += "# " + std::string(field.doc) + ". Allowed: " + field.allowed() + "; default " +
              (initial.empty() ? "empty" : initial) + "\n" + std::string(field.key) + " = ";
      text += is_quoted_in_toml(field.kind) ? toml_string(value) : value;
      text += "\n";
    }
  }
  return text;
}

std::string configuration_page() {
  std::string page =
      "# Configuration\n\n"
      "Generated from `broker/config.def`; a test compares the two.\n\n"
      "Sources, each over the one before: defaults, the TOML file of `--config`, environment\n"
      "variables, flags of `headrace serve`; `--set section.key=value` sets any of them.\n"
      "`headrace config` prints what results. An unknown\n"
      "name or a value out of range stops the start with a message that names the field.\n"
      "What is marked *live* is taken over by a running broker on SIGHUP, `headrace reload` or\n"
      "`POST /v1/config/reload`, which tell what they took over and what waits for the next "
      "start.\n"
      "Durations are a whole number with `us ms s m h d`, sizes with `B KiB MiB GiB TiB`.\n"
      "Secrets have no flags.\n";
  for (const Section& section : kSections) {
    page += "\n## " + std::string(section.name) + "\n\n" + std::string(section.doc) + "\n\n";
    page += "| key | default | allowed | environment, flag | what it does |\n";
    page += "|---|---|---|---|---|\n";
    for (const ConfigField& field : kFields) {
      if (field.section != section.name) continue;
      const bool has_flag = field.flag().find(' ') == std::string::npos;
      const std::string initial = field.value(Config());
      page += "| `" + std::string(field.key) + "` | " +
              (initial.empty() ? "" : "`" + initial + "`") + " | " + field.allowed() + " | `" +
              field.environment() + "`" + (has_flag ? " `" + field.flag() + "`" : "") + " | " +
              std::string(field.doc) + (field.live() ? " *(live)*" : "") + " |\n";
    }
  }
  return page;
}

}  // namespace headrace::broker
