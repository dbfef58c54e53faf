// hello: lets the caller into a tenant and agrees on codecs; authenticate: first, with a password.
// ping: keeps a silent connection open.
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

// How the caller is told: HelloOk answers hello, and stands in the last answer of an
// authentication.
using Tell = std::function<void(Session&, const proto::HelloOk&)>;

void let_in(Session& session, const proto::Hello& hello, core::PrincipalPtr authenticated,
            const Tell& tell) {
  const core::CatalogPtr catalog = session.reactor().catalog();
  core::Credentials credentials = credentials_of(session, hello);
  credentials.authenticated = std::move(authenticated);
  core::TenantContext context = core::Access::node(kNodeTenant);
  const core::Error error = core::Access::enter(*catalog, session.server().options().anonymous,
                                                credentials, session.now().wall_us, &context);
  if (error) {
    session.server().note_refusal(session.peer(), error);
    return session.farewell(error);
  }
  CodecSet codecs;
  proto::HelloOk ok = answer_of(session, hello, &codecs);
  if (const auto tenant = catalog->tenant(context.tenant())) ok.set_tenant(tenant->name);
  const core::Error full =
      session.greet(context, hello.client().substr(0, limits::kNameMax), codecs);
  if (full) return session.farewell(full);
  session.server().note_key_use(context);
  if (context.reason().empty()) return tell(session, ok);
  // The tenant's audit trail tells it before the caller is told anything.
  auto note = std::make_unique<core::NoteAction>(context);
  note->shard = kMetaShard;
  note->object = "connection from " + session.peer().to_string();
  session.ask(std::move(note), 0, [tell, ok = std::move(ok)](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.farewell(reply->error);
    tell(to, ok);
  });
}

void refuse(Session& session, const core::Error& error) {
  session.server().note_refusal(session.peer(), error);
  session.farewell(error);
}

}  // namespace

void handle_hello(Session& session, net::native::Frame&& frame) {
  proto::Hello hello;
  if (!session.parse(frame, &hello)) return;
  const core::CatalogPtr catalog = session.reactor().catalog();
  if (catalog->version == 0) {  // just started: who may come in is not known yet
    return session.farewell(core::Error(core::ErrorCode::loading, "the catalog"));
  }
  const auto header = frame.header;
  if (hello.mechanism().empty()) {
    return let_in(session, hello, nullptr,
                  [header](Session& to, const proto::HelloOk& ok) { to.reply(header, ok); });
  }
  if (hello.mechanism() != sasl::kScramSha256 || !hello.api_key().empty()) {
    return refuse(session,
                  {core::ErrorCode::bad_authentication,
                   hello.api_key().empty() ? "mechanism: " + std::string(sasl::kScramSha256)
                                           : "api_key and mechanism: give one of them"});
  }
  session.go_on_with(std::make_unique<Login>(std::move(hello), catalog));
  proto::HelloOk ok;
  ok.set_authenticate(true);
  session.reply(header, ok);
}

// Who is wrong is told nothing of why, after the same work for names that exist and others.
void handle_authenticate(Session& session, net::native::Frame&& frame) {
  proto::Authenticate message;
  std::unique_ptr<Login> login = session.take_login();
  const auto header = frame.header;
  const auto bytes = frame.message.span();
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return refuse(session, {core::ErrorCode::bad_authentication, "the message does not parse"});
  }
  proto::AuthenticateOk ok;
  switch (login->exchange.step(message.data(), ok.mutable_data())) {
    case sasl::Step::more:
      session.go_on_with(std::move(login));
      return session.reply(header, ok);
    case sasl::Step::malformed:
      return refuse(session, {core::ErrorCode::bad_authentication, login->exchange.text()});
    case sasl::Step::refused:
      break;
    case sasl::Step::done:
      if (login->claim.holder == nullptr) break;  // a proof for what was made up
      return let_in(session, login->hello, login->claim.holder,
                    [header, ok](Session& to, const proto::HelloOk& hello) {
                      proto::AuthenticateOk last = ok;
                      *last.mutable_hello() = hello;
                      to.reply(header, last);
                    });
  }
  if (login->claim.holder != nullptr) {
    session.server().note_wrong_password(*login->claim.holder, session.peer());
  }
  refuse(session, core::Error(core::ErrorCode::unauthenticated,
                              "this name and this password do not go together"));
}

void handle_ping(Session& session, net::native::Frame&& frame) {
  session.reply(frame.header, proto::Pong());
}

}  // namespace headrace::native
