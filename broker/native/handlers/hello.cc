// hello: fixes the tenant and agrees on codecs. ping: keeps a silent connection open.
#include <array>

#include "broker/native/handlers.h"
#include "broker/native/server.h"

namespace headrace::native {

void handle_hello(Session& session, net::native::Frame&& frame) {
  proto::Hello hello;
  if (!session.parse(frame, &hello)) return;
  // Without credentials there is only the default tenant; another one and a missing one look alike.
  if (!hello.tenant().empty() && hello.tenant() != "default") {
    return session.farewell(core::Error(core::ErrorCode::unknown_tenant));
  }

  const ServerOptions& options = session.server().options();
  proto::HelloOk ok;
  ok.set_server("headrace/" + options.version);
  ok.set_cluster_id(options.cluster_id);
  CodecSet codecs;
  for (const auto& name : hello.codecs()) {
    const auto codec = storage::parse_codec(name);
    if (!codec) continue;
    codecs.add(*codec);
    ok.add_codecs(name);
  }
  session.greet(core::Access::anonymous(), hello.client().substr(0, limits::kNameMax), codecs);
  ok.set_max_message_bytes(net::native::kMaxMessageSize);
  ok.set_max_payload_bytes(options.max_batch_bytes);
  ok.set_max_in_flight_bytes(static_cast<uint32_t>(options.in_flight_bytes_per_connection));
  ok.set_idle_timeout_ms(static_cast<uint32_t>(options.idle_us / kMicrosPerMilli));
  ok.set_ping_interval_ms(static_cast<uint32_t>(options.idle_us / 3 / kMicrosPerMilli));
  session.reply(frame.header, ok);
}

void handle_ping(Session& session, net::native::Frame&& frame) {
  session.reply(frame.header, proto::Pong());
}

}  // namespace headrace::native
