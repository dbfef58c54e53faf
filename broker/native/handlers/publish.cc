// publish: single events, folded with others of the same turn; or atomic: one batch, all or none.
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_publish.h"
#include "broker/native/server.h"
#include "metrics/counters.h"

namespace headrace::native {
namespace {

void answer(Session& to, const net::native::FrameHeader& header, core::PublishEvents& published,
            const proto::Publish& asked) {
  if (published.error) {
    metrics::add(metrics::Counter::publish_rejected);
    return to.fail(header, published.error);
  }
  proto::PublishOk ok;
  to_proto(published, asked, &ok);
  to.reply(header, ok);
}

}  // namespace

void handle_publish(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  auto message = std::make_shared<proto::Publish>();
  if (!session.parse(frame, message.get())) return;
  auto refuse = [&](const core::Error& error) {
    metrics::add(metrics::Counter::publish_rejected);
    session.fail(header, error);
  };
  if (core::Error error = session.may_publish()) return refuse(error);
  const uint32_t most = session.server().options().max_batch_bytes;
  core::Error error = check_publish(*message, frame.message.size(), frame.payload.size(), most);
  if (error) return refuse(error);
  auto request = std::make_unique<core::PublishEvents>(session.tenant());
  request->topic = session.publish_topic(message->topic(), &error);
  if (request->topic == nullptr) return refuse(error);
  error = from_proto(
      message, std::move(frame.payload), session.now().wall_us,
      [&session] { return session.next_round_robin(); }, request.get());
  if (error) return refuse(error);
  if (!any_sound(*request)) return answer(session, header, *request, *message);
  request->shard = request->topic->shard;
  const size_t bytes = header.total_size();
  session.ask(std::move(request), bytes, [header, message](Session& to, core::RequestPtr reply) {
    answer(to, header, core::as<core::PublishEvents>(*reply), *message);
  });
}

void handle_init_producer(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  auto request = std::make_unique<core::InitProducer>(session.tenant());
  request->shard = kMetaShard;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& given = core::as<core::InitProducer>(*reply);
    if (given.error) return to.fail(header, given.error);
    proto::InitProducerOk ok;
    ok.set_producer_id(given.producer.value());
    ok.set_producer_epoch(given.producer_epoch);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native
