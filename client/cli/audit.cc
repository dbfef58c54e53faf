// audit: the trail of the tenant, read shard by shard; verify follows its hash chains.
#include "json/audit.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "client/admin.h"
#include "client/cli/position.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "metrics/base64.h"
#include "metrics/quantity.h"
#include "storage/audit_chain.h"

namespace headrace::cli {
namespace {

struct Entry {
  uint32_t shard = 0;
  uint64_t sequence = 0;
  records::AuditEntry entry;
};

using Visit = std::function<void(uint32_t shard, const proto::AuditRow& row)>;

// Every row of the tenant; those of a shard in their order.
client::Error read_all(client::Client* client, const Visit& visit) {
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

std::string_view text_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// One shard's chain as far as it was read.
struct Chain {
  uint64_t entries = 0;
  Sha256 head{};
  std::string broken;  // the first thing that is wrong

  void take(uint32_t shard, const proto::AuditRow& row) {
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
      if (text_of(head) != row.hash()) broken = at + " is not what was written";
    }
  }
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
  const auto error = read_all(client.value.get(), [&](uint32_t shard, const proto::AuditRow& row) {
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

int verify_audit(const ConnectArguments& connect) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::map<uint32_t, Chain> chains;
  const auto error = read_all(client.value.get(), [&](uint32_t shard, const proto::AuditRow& row) {
    chains[shard].take(shard, row);
  });
  if (error) return report(error);
  std::string out;
  Table table({"CHECK", "RESULT", "ENTRIES", "HEAD"});
  bool failed = false;
  for (const auto& [shard, chain] : chains) {
    failed = failed || !chain.broken.empty();
    const char* result = chain.broken.empty() ? "PASS" : "FAIL";
    const std::string check = "audit of shard " + std::to_string(shard);
    const std::string entries = std::to_string(chain.entries);
    const std::string head =
        chain.broken.empty() ? encode_base16(text_of(chain.head)) : chain.broken;
    if (!connect.json) {
      table.row({check, result, entries, head});
      continue;
    }
    JsonLine(&out)
        .text("check", check)
        .text("result", result)
        .number("entries", static_cast<int64_t>(chain.entries))
        .text(chain.broken.empty() ? "head" : "detail", head)
        .end();
  }
  print(connect.json ? out : table.text());
  return failed ? kFailed : kDone;
}

}  // namespace headrace::cli
