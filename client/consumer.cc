#include "client/consumer.h"

#include <future>

#include "client/admin.h"
#include "client/consumer_core.h"
#include "metrics/check.h"

namespace headrace::client {

Result<std::unique_ptr<Consumer>> Consumer::open(Client& client, ConsumerOptions options) {
  const Result<proto::Topic> topic = find_topic(client, options.topic);
  if (!topic.ok()) return topic.error;
  if (options.from.at_case() == proto::Position::AT_NOT_SET) options.from.set_earliest(true);
  auto core = std::make_shared<ConsumerCore>(&client, std::move(options), topic->partitions());
  client.loop().post([core] { core->start(); });
  return std::unique_ptr<Consumer>(new Consumer(&client, topic.value, std::move(core)));
}

Consumer::Consumer(Client* client, proto::Topic topic, std::shared_ptr<ConsumerCore> core)
    : client_(client), topic_(std::move(topic)), core_(std::move(core)) {}

Consumer::~Consumer() {
  if (closed_) return;
  std::promise<void> stopped;
  client_->loop().post([&] {
    core_->leave([] {});
    core_->stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

Result<std::optional<ReceivedBatch>> Consumer::poll(int64_t wait_ms) {
  return core_->poll(wait_ms);
}

void Consumer::handled(uint32_t partition, int64_t next_offset) {
  core_->handled(partition, next_offset);
}

bool Consumer::assigned() const {
  return core_->assigned();
}

Error Consumer::commit() {
  if (!core_->has_group) return {};
  std::promise<Error> done;
  client_->loop().post([&] { core_->commit([&](const Error& error) { done.set_value(error); }); });
  return done.get_future().get();
}

Error Consumer::close() {
  HR_CHECK(!closed_);
  const Error error = commit();
  std::promise<void> done;
  client_->loop().post([&] {
    core_->leave([&] {
      core_->stop();
      done.set_value();
    });
  });
  done.get_future().wait();
  closed_ = true;
  return error;
}

}  // namespace headrace::client
