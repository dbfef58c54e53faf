#include "client/cli/audit_trail.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/admin.h"
#include "json/audit.h"
#include "json/strict_json.h"
#include "metrics/base64.h"
#include "metrics/quantity.h"
#include "storage/audit_chain.h"

namespace headrace::cli {

client::Error read_trail(client::Client* client, const VisitAuditRow& visit) {
  uint32_t shards = 1;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    proto::ReadAudit request;
    request.set_shard(shard);
    request.set_page_size(100);
    do {
      const auto page = client::read_audit(*client, request);
      if (!page.ok()) return page.error;
      shards = page->shards();
      for (const auto& row : page->rows()) visit(shard, row);
      request.set_from(page->next());
    } while (request.from() != 0);
  }
  return {};
}

std::string export_line(uint32_t shard, const proto::AuditRow& row) {
  std::string text;
  JsonLine line(&text);
  line.number("shard", shard).number("sequence", static_cast<int64_t>(row.sequence()));
  records::AuditEntry entry;
  if (entry.ParseFromString(row.entry())) {
    line.text("time", format_time_us(entry.at_us()));
    audit_fields(&line, entry);
  }
  line.text("key", encode_base64(row.key()))
      .text("hash", encode_base16(row.hash()))
      .text("entry", encode_base64(row.entry()))
      .end();
  return text;
}

namespace {

// What stands in an export for people is not hashed: it is held against the entry, which is. White
// space and the order of the fields are anybody's.
std::string misread_field(const nlohmann::json& line, uint32_t shard, const proto::AuditRow& row) {
  const auto written = nlohmann::json::parse(export_line(shard, row));
  for (const auto& [name, value] : written.items()) {
    const auto at = line.find(name);
    if (at == line.end() || *at != value) return name;
  }
  for (const auto& [name, value] : line.items()) {
    if (!written.contains(name)) return name;
  }
  return "";
}

// Null: no object, or one that says something twice, which readers take either way.
nlohmann::json parse_object(const std::string& text) {
  constexpr int kDepthMax = 10;
  StrictFindings findings;
  auto object = parse_strict<nlohmann::json>(text, kDepthMax, &findings);
  if (!findings.ok() || !object.is_object()) return {};
  return object;
}

}  // namespace

client::Error read_export(const std::string& path, const VisitExportedRow& visit) {
  std::ifstream file(path);
  if (!file) return client::bad_argument("--export: cannot read '" + path + "'");
  std::string line;
  uint64_t lines = 0;
  while (std::getline(file, line)) {
    const uint64_t number = ++lines;
    const nlohmann::json object = parse_object(line);
    const auto text = [&](const char* name) {
      const auto at = object.is_object() ? object.find(name) : object.end();
      return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    const auto whole = [&](const char* name) -> std::optional<uint64_t> {
      const auto at = object.is_object() ? object.find(name) : object.end();
      if (at == object.end() || !at->is_number_unsigned()) return std::nullopt;
      return at->get<uint64_t>();
    };
    const auto key = decode_base64(text("key"));
    const auto hash = decode_base16(text("hash"));
    const auto entry = decode_base64(text("entry"));
    const auto shard = whole("shard");
    const auto sequence = whole("sequence");
    if (!key || !hash || !entry || !shard || !sequence || *shard > UINT16_MAX) {
      return client::bad_argument("--export: " + path + ":" + std::to_string(number) +
                                  " is no line of `headrace audit export`");
    }
    proto::AuditRow row;
    row.set_sequence(*sequence);
    row.set_key(*key);
    row.set_hash(*hash);
    row.set_entry(*entry);
    visit(static_cast<uint32_t>(*shard), row,
          misread_field(object, static_cast<uint32_t>(*shard), row));
  }
  if (lines == 0) {
    return client::bad_argument("--export: '" + path + "' holds no entry of `audit export`");
  }
  return {};
}

void AuditChain::take(uint32_t shard, const proto::AuditRow& row) {
  if (!broken.empty()) return;
  ++entries;
  const auto parts = storage::parse_audit_key(row.key());
  const std::string at = "entry " + std::to_string(row.sequence());
  if (!parts || parts->shard.value() != shard || parts->sequence != row.sequence()) {
    broken = at + " has the key of another";
  } else if (row.sequence() != entries) {
    broken = "entry " + std::to_string(entries) + " is missing";
  } else {
    head = storage::audit_hash(head, storage::Key(row.key()), row.entry());
    if (head_bytes() != row.hash()) broken = at + " is not what was written";
  }
  if (broken.empty() && entries == anchor_sequence && head_bytes() != anchor_hash) {
    broken = at + " is not the one that was exported: the trail was written anew";
  }
}

void AuditChain::finish() {
  if (broken.empty() && entries < anchor_sequence) {
    broken = std::to_string(entries) + " entries, " + std::to_string(anchor_sequence) +
             " were exported: the newest are gone";
  }
}

}  // namespace headrace::cli
