// /v1/audit: the audit trail, shard by shard; in a shard the oldest entries first.
#include "json/audit.h"

#include <charconv>

#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/core/api_audit.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"
#include "records.pb.h"

namespace headrace::admin {
namespace {

// "SHARD.SEQUENCE" of the entry that comes next.
struct AuditPlace {
  uint32_t shard = 0;
  uint64_t sequence = 1;
};

bool parse(std::string_view text, AuditPlace* at) {
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, at->shard);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '.') return false;
  parsed = std::from_chars(parsed.ptr + 1, end, at->sequence);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

void entry_json(JsonLine* line, ShardId shard, const core::ReadAudit::Entry& row) {
  records::AuditEntry entry;
  const bool parses = entry.ParseFromString(row.bytes);
  line->text("time", format_time_us(entry.at_us()))
      .number("shard", shard.value())
      .number("sequence", static_cast<int64_t>(row.sequence));
  if (!parses) line->boolean("damaged", true);
  audit_fields(line, entry);
}

// The first shard that has something answers; an empty one costs a message.
void read(const CallPtr& call, AuditPlace at, uint32_t limit) {
  auto question = std::make_unique<core::ReadAudit>(call->tenant());
  question->shard = ShardId(static_cast<uint16_t>(at.shard));
  question->from = at.sequence;
  question->page_size = limit;
  call->ask<core::ReadAudit>(std::move(question), [call, limit](core::ReadAudit& page) {
    const uint32_t shards = call->admin().reactors().front()->shards();
    const uint32_t next_shard = page.shard.value() + 1u;
    if (page.entries.empty() && next_shard < shards) return read(call, {next_shard, 1}, limit);
    JsonRows rows;
    for (const auto& entry : page.entries) {
      rows.add([&](JsonLine* line) { entry_json(line, page.shard, entry); });
    }
    std::optional<std::string> cursor;
    if (page.more) {
      cursor = std::to_string(page.shard.value()) + "." +
               std::to_string(page.entries.back().sequence + 1);
    } else if (next_shard < shards) {
      cursor = std::to_string(next_shard) + ".1";
    }
    std::string body;
    JsonLine(&body).raw("entries", rows.text()).text_or_null("next_cursor", cursor).end();
    call->reply(200, std::move(body));
  });
}

}  // namespace

void get_audit(const CallPtr& call) {
  Query query(call->request());
  const uint32_t limit = query.limit();
  AuditPlace at;
  const auto cursor = query.text("cursor");
  if (const core::Error error = query.finish()) return call->fail(error);
  const uint32_t shards = call->admin().reactors().front()->shards();
  if (cursor && (!parse(*cursor, &at) || at.shard >= shards)) {
    return call->fail(
        {core::ErrorCode::invalid_request, "cursor: none that this broker has given out"});
  }
  read(call, at, limit);
}

}  // namespace headrace::admin
