// hello: lets the caller into a tenant and agrees on codecs. ping: keeps a silent connection open.
#include <array>

#include "broker/core/api_access.h"
#include "broker/native/handlers.h"
#include "broker/native/server.h"

namespace headrace::native {
namespace {

// A key counts before a certificate: whoever brings one means it.
core::Credentials credentials_of(const Session& session, const proto::Hello& hello) {
  core::Credentials credentials;
  credentials.api_key = hello.api_key();
  credentials.subject = session.peer_subject();
  credentials.tenant = hello.tenant();
  credentials.as_tenant = hello.as_tenant();
  credentials.reason = hello.reason();
  return credentials;
}

proto::HelloOk answer_of(Session& session, const proto::Hello& hello, CodecSet* codecs) {
  const ServerOptions& options = session.server().options();
  proto::HelloOk ok;
  ok.set_server("headrace/" + options.version);
  ok.set_cluster_id(options.cluster_id);
  for (const auto& name : hello.codecs()) {
    const auto codec = storage::parse_codec(name);
    if (!codec) continue;
    codecs->add(*codec);
    ok.add_codecs(name);
  }
  ok.set_max_message_bytes(net::native::kMaxMessageSize);
  ok.set_max_payload_bytes(options.max_batch_bytes);
  ok.set_max_in_flight_bytes(static_cast<uint32_t>(options.in_flight_bytes_per_connection));
  ok.set_idle_timeout_ms(static_cast<uint32_t>(options.idle_us / kMicrosPerMilli));
  ok.set_ping_interval_ms(static_cast<uint32_t>(options.idle_us / 3 / kMicrosPerMilli));
  return ok;
}

}  // namespace

void handle_hello(Session& session, net::native::Frame&& frame) {
  proto::Hello hello;
  if (!session.parse(frame, &hello)) return;
  const core::CatalogPtr catalog = session.reactor().catalog();
  if (catalog->version == 0) {  // just started: who may come in is not known yet
    return session.farewell(core::Error(core::ErrorCode::loading, "the catalog"));
  }
  core::TenantContext context = core::Access::node(kNodeTenant);
  const core::Error error =
      core::Access::enter(*catalog, session.server().options().anonymous,
                          credentials_of(session, hello), session.now().wall_us, &context);
  if (error) {
    session.server().note_refusal(session.peer(), error);
    return session.farewell(error);
  }
  CodecSet codecs;
  proto::HelloOk ok = answer_of(session, hello, &codecs);
  if (const auto tenant = catalog->tenant(context.tenant())) ok.set_tenant(tenant->name);
  session.greet(context, hello.client().substr(0, limits::kNameMax), codecs);
  session.server().note_key_use(context);
  if (context.reason().empty()) return session.reply(frame.header, ok);
  // The tenant's audit trail tells it before the caller is told anything.
  auto note = std::make_unique<core::NoteAction>(context);
  note->shard = kMetaShard;
  note->object = "connection from " + session.peer().to_string();
  session.ask(std::move(note), 0,
              [header = frame.header, ok = std::move(ok)](Session& to, core::RequestPtr reply) {
                if (reply->error) return to.farewell(reply->error);
                to.reply(header, ok);
              });
}

void handle_ping(Session& session, net::native::Frame&& frame) {
  session.reply(frame.header, proto::Pong());
}

}  // namespace headrace::native
