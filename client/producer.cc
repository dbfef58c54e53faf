#include "client/producer.h"

#include <future>

#include "client/admin.h"
#include "client/producer_core.h"

namespace headrace::client {

Result<std::unique_ptr<Producer>> Producer::open(Client& client, ProducerOptions options,
                                                 AckFunction acked) {
  const Result<proto::Topic> topic = find_topic(client, options.topic);
  if (!topic.ok()) return topic.error;
  if (topic->partitions() == 0) return bad_reply("the topic has no partitions");
  proto::InitProducerOk id;
  id.set_producer_id(-1);
  const bool delays = options.delay_ms || options.due_us;
  if (options.delay_ms && options.due_us) return bad_argument("a delay or a due time, not both");
  if (delays) options.codec = storage::Codec::none;  // single events are not compressed
  if (options.durability != Durability::memory || delays) {
    const Result<proto::InitProducerOk> made = init_producer(client);
    if (!made.ok()) return made.error;
    id = made.value;
  }
  auto core = std::make_shared<ProducerCore>(&client, std::move(options), std::move(acked),
                                             topic.value, id);
  return std::unique_ptr<Producer>(new Producer(&client, topic.value, std::move(core)));
}

Producer::Producer(Client* client, proto::Topic topic, std::shared_ptr<ProducerCore> core)
    : client_(client), topic_(std::move(topic)), core_(std::move(core)) {}

Producer::~Producer() {
  std::promise<void> stopped;
  client_->loop().post([&] {
    core_->stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

Error Producer::publish(const storage::EventFields& event, uint64_t token,
                        std::optional<uint32_t> partition) {
  return core_->publish(event, token, partition);
}

Error Producer::flush() {
  return core_->flush();
}

}  // namespace headrace::client
