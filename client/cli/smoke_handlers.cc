#include "client/cli/smoke_handlers.h"

#include <thread>

#include "client/admin.h"

namespace headrace::cli {
namespace {

using client::Error;

constexpr int64_t kLookAgainMs = 10;
constexpr const char* kReason = "smoke: rejected on purpose";

std::string at(const client::Delivered& delivered) {
  return "the event at offset " + std::to_string(delivered.event.offset);
}

}  // namespace

SmokeHandlers::SmokeHandlers(client::Client* client, std::string topic, std::string group,
                             size_t events)
    : client_(client), topic_(std::move(topic)), group_(std::move(group)), events_(events) {}

Error SmokeHandlers::declare() {
  proto::CreateGroup request;
  request.set_group(group_);
  request.set_topic(topic_);
  request.mutable_options()->mutable_from()->set_earliest(true);
  request.mutable_options()->mutable_retry()->set_max_retries(1);
  if (const auto made = client::create_group(*client_, request); !made.ok()) return made.error;
  declared_ = true;
  client::SubscriberOptions options;
  options.group = group_;
  auto opened = client::Subscriber::open(*client_, options);
  if (!opened.ok()) return opened.error;
  subscriber_ = std::move(opened.value);
  return {};
}

client::Result<client::Delivered> SmokeHandlers::next() {
  auto polled = subscriber_->poll(kSmokeWaitMs);
  if (!polled.ok()) return polled.error;
  if (!polled.value) return mismatch("no delivery came within 10 s");
  return std::move(*polled.value);
}

Error SmokeHandlers::ack_and_retry() {
  bool failed = false;
  for (size_t left = events_; left > 0;) {
    const auto got = next();
    if (!got.ok()) return got.error;
    const bool first = got->event.offset == 0;
    if (got->attempt != (first && failed ? 2u : 1u)) {
      return mismatch(at(got.value) + " came as attempt " + std::to_string(got->attempt));
    }
    if (first && !failed) {
      failed = true;
      subscriber_->nack(got.value, "smoke: fails once", 0);
      continue;
    }
    --left;
    if (got->event.offset + 1 == static_cast<int64_t>(events_)) {
      subscriber_->reject(got.value, kReason);
    } else {
      subscriber_->ack(got.value);
    }
  }
  return subscriber_->flush();
}

Error SmokeHandlers::dead_letter() {
  proto::ListDeadLetters request;
  request.set_group(group_);
  SharedBytes values;
  const auto listed = client::list_dead_letters(*client_, request, &values);
  if (!listed.ok()) return listed.error;
  if (listed->letters_size() != 1) {
    return mismatch(std::to_string(listed->letters_size()) + " dead letters instead of one");
  }
  const proto::DeadLetter& letter = listed->letters(0);
  if (letter.reason() != "rejected" || letter.error() != kReason) {
    return mismatch("the dead letter has another reason");
  }
  letter_ = letter.id();
  return {};
}

Error SmokeHandlers::redrive() {
  proto::Redrive request;
  request.set_group(group_);
  request.add_ids(letter_);
  const auto started = client::redrive(*client_, request);
  if (!started.ok()) return started.error;
  const auto got = next();
  if (!got.ok()) return got.error;
  if (!got->replayed() || got->event.offset + 1 != static_cast<int64_t>(events_)) {
    return mismatch("what was redriven is not what came");
  }
  subscriber_->ack(got.value);
  if (Error error = subscriber_->flush()) return error;
  return wait_for_job(started->job().id());
}

Error SmokeHandlers::wait_for_job(const std::string& id) {
  const int64_t deadline_us = client::Loop::now_us() + kSmokeWaitMs * 1000;
  while (true) {
    const auto job = client::get_job(*client_, id);
    if (!job.ok()) return job.error;
    if (job->job().state() == "completed") return {};
    if (client::Loop::now_us() >= deadline_us) {
      return mismatch("the redrive is " + job->job().state() + " and not completed");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookAgainMs));
  }
}

Error SmokeHandlers::leave() {
  Error error;
  if (subscriber_ != nullptr) error = subscriber_->close();
  subscriber_.reset();
  if (!declared_) return error;
  const Error deleted = client::delete_group(*client_, group_).error;
  return error ? error : deleted;
}

}  // namespace headrace::cli
