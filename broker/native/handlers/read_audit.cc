// read_audit: the audit trail of the session's tenant in one shard.
#include "broker/core/api_audit.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/server.h"
#include "storage/keys.h"

namespace headrace::native {
namespace {

void answer(Session& to, const net::native::FrameHeader& header, const core::ReadAudit& read) {
  proto::ReadAuditOk ok;
  ok.set_shards(to.server().reactor().shards());
  for (const auto& entry : read.entries) {
    if (ok.ByteSizeLong() > net::native::kMaxMessageSize / 2) {
      ok.set_next(entry.sequence);
      break;
    }
    const auto key = storage::audit_key(read.tenant.tenant(), read.shard, entry.sequence);
    auto* row = ok.add_rows();
    row->set_sequence(entry.sequence);
    row->set_hash(entry.hash.data(), entry.hash.size());
    row->set_key(std::string(key.view()));
    row->set_entry(entry.bytes);
  }
  if (ok.next() == 0 && read.more) ok.set_next(read.entries.back().sequence + 1);
  to.reply(header, ok);
}

}  // namespace

void handle_read_audit(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ReadAudit message;
  if (!session.parse(frame, &message)) return;
  auto refuse = [&](std::string why) {
    session.fail(header, {core::ErrorCode::invalid_request, std::move(why)});
  };
  const uint32_t shards = session.server().reactor().shards();
  if (message.shard() >= shards) {
    return refuse("shard: the node has " + std::to_string(shards));
  }
  auto request = std::make_unique<core::ReadAudit>(session.tenant());
  if (core::Error error = from_proto_page_size(message.page_size(), &request->page_size)) {
    return session.fail(header, error);
  }
  request->shard = ShardId(static_cast<uint16_t>(message.shard()));
  request->from = std::max<uint64_t>(message.from(), 1);
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    answer(to, header, core::as<core::ReadAudit>(*reply));
  });
}

}  // namespace headrace::native
