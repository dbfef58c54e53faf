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
    if (kind_ != Kind::floods) continue;
    floods_.emplace_back([this, member = members_.back().get()] { flood(member); });
  }
  return {};
}

void Bystanders::flood(client::Subscriber* member) {
  std::optional<client::Delivered> held;
  while (!stop_.load(std::memory_order_relaxed)) {
    auto next = member->poll(held ? 0 : 10);
    if (!next.ok()) return;
    if (next.value) held = std::move(*next.value);
    if (!held) continue;
    member->extend(*held);
    if (member->flush()) held.reset();  // its deadline was over all the same
    requests_.fetch_add(1, std::memory_order_relaxed);
  }
}

void Bystanders::leave() {
  stop_.store(true);
  for (std::thread& thread : floods_) thread.join();
  floods_.clear();
  stop_.store(false);
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
