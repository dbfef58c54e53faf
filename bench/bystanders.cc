#include "bench/bystanders.h"

#include "client/admin.h"

namespace headrace::bench {

client::Error Bystanders::declare() {
  for (uint32_t i = 0; i < groups_; ++i) {
    proto::CreateGroup request;
    request.set_group(name(i));
    request.set_topic(topic_);
    if (kind_ == Kind::wants_nothing)
      request.mutable_options()->add_filters("other.kind" + std::to_string(i) + ".*");
    if (const auto made = client::create_group(*client_, request); !made.ok()) return made.error;
  }
  return {};
}

client::Error Bystanders::join() {
  for (uint32_t i = 0; i < groups_; ++i) {
    client::SubscriberOptions options;
    options.group = name(i);
    auto opened = client::Subscriber::open(*client_, options);
    if (!opened.ok()) return opened.error;
    members_.push_back(std::move(opened.value));
  }
  return {};
}

void Bystanders::leave() {
  members_.clear();
}

client::Error Bystanders::remove() {
  leave();
  for (uint32_t i = 0; i < groups_; ++i) {
    if (client::Error error = client::delete_group(*client_, name(i)).error) return error;
  }
  return {};
}

}  // namespace headrace::bench
