// One event by the C++ client library: publish_one [PORT] (docs/client.md).
#include <cstdio>
#include <cstdlib>

#include "client/cloud_event.h"
#include "client/producer.h"

namespace client = headrace::client;

int main(int argc, char** argv) {
  client::ClientOptions where;
  where.server = {"127.0.0.1", static_cast<uint16_t>(argc > 1 ? std::atoi(argv[1]) : 7420)};
  client::Client connection(where);
  client::ProducerOptions options;
  options.topic = "default";
  auto producer = client::Producer::open(connection, options, [](const client::Acked& acked) {
    std::printf("partition %u, offset %lld\n", acked.partition,
                static_cast<long long>(acked.base_offset));
  });
  client::Error error = producer.error;
  if (!error) {
    client::OutgoingEvent event;
    event.data = R"({"total":12})";
    event.set_header(client::kHeaderType, "order.placed");
    std::vector<headrace::storage::HeaderField> scratch;
    error = producer.value->publish(event.view(&scratch), /*token=*/1);
    if (!error) error = producer.value->flush();
  }
  if (error) std::fprintf(stderr, "%s\n", error.message.c_str());
  return error ? 1 : 0;
}
