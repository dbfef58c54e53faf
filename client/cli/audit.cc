// audit: the trail of the tenant, read shard by shard; verify follows its hash chains, also those
// of an export.
#include "json/audit.h"

#include <algorithm>
#include <cstdio>

#include "client/cli/audit_trail.h"
#include "client/cli/position.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "metrics/base64.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

struct Entry {
  uint32_t shard = 0;
  uint64_t sequence = 0;
  records::AuditEntry entry;
};

std::string line_of(const Entry& one) {
  std::string text;
  JsonLine line(&text);
  line.text("time", format_time_us(one.entry.at_us()))
      .number("shard", one.shard)
      .number("sequence", static_cast<int64_t>(one.sequence));
  audit_fields(&line, one.entry);
  line.end();
  return text;
}

std::string changes_of(const records::AuditEntry& entry) {
  std::string text = entry.reason();
  for (const auto& change : entry.changes()) {
    if (!text.empty()) text += "; ";
    text += change.field() + ": ";
    if (!change.before().empty()) text += change.before() + " → ";
    text += change.after();
  }
  return text;
}

}  // namespace

int list_audit(const ConnectArguments& connect, const AuditArguments& given) {
  const auto from = parse_bound("--from", given.from);
  if (!from.ok()) return report(from.error);
  const auto to = parse_bound("--to", given.to);
  if (!to.ok()) return report(to.error);
  const int64_t to_us = to.value > 0 ? to.value : INT64_MAX;
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::vector<Entry> found;
  uint64_t unreadable = 0;
  const auto error =
      read_trail(client.value.get(), [&](uint32_t shard, const proto::AuditRow& row) {
        Entry one{shard, row.sequence(), {}};
        if (!one.entry.ParseFromString(row.entry())) {
          ++unreadable;
          return;
        }
        const int64_t at_us = one.entry.at_us();
        if (at_us < from.value || at_us >= to_us) return;
        if (!one.entry.action().starts_with(given.action)) return;
        if (!given.object.empty() && one.entry.object() != given.object) return;
        found.push_back(std::move(one));
      });
  if (error) return report(error);
  std::ranges::stable_sort(found, [](const Entry& a, const Entry& b) {
    return std::tuple(a.entry.at_us(), a.shard, a.sequence) >
           std::tuple(b.entry.at_us(), b.shard, b.sequence);
  });
  if (found.size() > given.count) found.resize(given.count);
  Table table({"TIME", "ACTION", "OBJECT", "ACTOR", "WHAT"});
  std::string out;
  for (const Entry& one : found) {
    if (connect.json) {
      out += line_of(one);
      continue;
    }
    table.row({format_time_us(one.entry.at_us()), one.entry.action(), one.entry.object(),
               one.entry.actor(), changes_of(one.entry)});
  }
  print(connect.json ? out : table.text());
  if (unreadable == 0) return kDone;
  std::fprintf(stderr, "headrace: %llu entries do not parse: see `headrace audit verify`\n",
               static_cast<unsigned long long>(unreadable));
  return kFailed;
}

namespace {

using Chains = std::map<uint32_t, AuditChain>;

int print_chains(const ConnectArguments& connect, const Chains& chains) {
  std::string out;
  Table table({"CHECK", "RESULT", "ENTRIES", "HEAD"});
  bool failed = false;
  for (const auto& [shard, chain] : chains) {
    const bool whole = chain.broken.empty();
    failed = failed || !whole;
    const char* result = whole ? "PASS" : "FAIL";
    const std::string check = "audit of shard " + std::to_string(shard);
    const std::string entries = std::to_string(chain.entries);
    const std::string head = whole ? encode_base16(chain.head_bytes()) : chain.broken;
    if (!connect.json) {
      table.row({check, result, entries, head});
      continue;
    }
    JsonLine(&out)
        .text("check", check)
        .text("result", result)
        .number("entries", static_cast<int64_t>(chain.entries))
        .text(whole ? "head" : "detail", head)
        .end();
  }
  print(connect.json ? out : table.text());
  return failed ? kFailed : kDone;
}

}  // namespace

int verify_audit(const ConnectArguments& connect, const AuditArguments& given) {
  Chains chains;
  const VisitAuditRow take = [&](uint32_t shard, const proto::AuditRow& row) {
    chains[shard].take(shard, row);
  };
  Chains exported;
  if (!given.export_file.empty()) {
    const auto take_line = [&](uint32_t shard, const proto::AuditRow& row,
                               const std::string& misread) {
      take(shard, row);
      AuditChain& chain = chains[shard];
      if (misread.empty() || !chain.broken.empty()) return;
      chain.broken = "entry " + std::to_string(row.sequence()) + ": '" + misread +
                     "' is not what the hashed entry says";
    };
    if (const auto error = read_export(given.export_file, take_line)) return report(error);
    if (given.offline) return print_chains(connect, chains);
    exported.swap(chains);
  }
  for (const auto& [shard, chain] : exported) {
    if (!chain.broken.empty()) {
      std::fputs("headrace: --export: the file is not as it was exported; no broker was asked\n",
                 stderr);
      return print_chains(connect, exported);
    }
    chains[shard].anchor_sequence = chain.entries;
    chains[shard].anchor_hash = std::string(chain.head_bytes());
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  if (const auto error = read_trail(client.value.get(), take)) return report(error);
  for (auto& [shard, chain] : chains) chain.finish();
  return print_chains(connect, chains);
}

int export_audit(const ConnectArguments& connect) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  bool read = true;  // by whoever takes our output
  const auto error =
      read_trail(client.value.get(), [&](uint32_t shard, const proto::AuditRow& row) {
        read = read && print(export_line(shard, row));
      });
  if (error) return report(error);
  return read ? kDone : kFailed;
}

}  // namespace headrace::cli
