#include "client/cli/ack_printer.h"

#include "client/cli/session.h"
#include "client/cloud_event.h"
#include "client/names.h"
#include "json/json_line.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {
constexpr size_t kMaxWaiting = 200'000;
constexpr size_t kPrintAtOnce = 4'096;
}  // namespace

AckPrinter::AckPrinter(std::string topic, uint32_t topic_id, bool json)
    : topic_(std::move(topic)), topic_id_(topic_id), json_(json), thread_([this] { run(); }) {}

AckPrinter::~AckPrinter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

uint64_t AckPrinter::add(std::string_view id, int64_t timestamp_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return entries_.size() < kMaxWaiting || broken(); });
  Entry entry;
  entry.id = id;
  entry.timestamp_ms = timestamp_ms;
  entries_.push_back(std::move(entry));
  return first_token_ + entries_.size() - 1;
}

void AckPrinter::acked(const client::Acked& acked) {
  const std::lock_guard lock(mutex_);
  int64_t offset = acked.base_offset;
  for (size_t i = 0; i < acked.tokens.size(); ++i) {
    Entry& entry = entries_[acked.tokens[i] - first_token_];
    if (i < acked.ids.size()) entry.id = acked.ids[i];
    entry.due_us = acked.due_us;
    entry.duplicate = acked.duplicate;
    entry.partition = acked.partition;
    entry.offset = offset++;
    entry.epoch = acked.epoch;
    entry.durability = acked.durability;
    entry.state = acked.error ? Entry::State::failed : Entry::State::acked;
  }
  changed_.notify_all();
}

void AckPrinter::format(const Entry& entry, std::string* out) const {
  const std::string id = !entry.id.empty() ? entry.id
                                           : storage::default_event_id(topic_id_, entry.partition,
                                                                       entry.offset, entry.epoch);
  if (!json_) {
    out->append(topic_).append(" ").append(std::to_string(entry.partition)).append(" ");
    out->append(entry.due_us > 0 ? "-" : std::to_string(entry.offset)).append(" ").append(id);
    if (entry.due_us > 0) out->append(" due ").append(format_time_us(entry.due_us));
    out->append("\n");
    return;
  }
  JsonLine line(out);
  line.text("topic", topic_).number("partition", entry.partition);
  if (entry.due_us > 0) {
    line.null("offset");
  } else {
    line.number("offset", entry.offset);
  }
  line.text("id", id)
      .text("time", format_time_ms(entry.timestamp_ms))
      .text("durability", client::to_string(entry.durability));
  if (entry.duplicate) line.boolean("duplicate", true);
  if (entry.due_us > 0) line.text("due", format_time_us(entry.due_us));
  line.end();
}

void AckPrinter::run() {
  std::deque<Entry> taken;
  std::string out;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    while (!entries_.empty() && taken.size() < kPrintAtOnce &&
           entries_.front().state == Entry::State::acked) {
      taken.push_back(std::move(entries_.front()));
      entries_.pop_front();
      ++first_token_;
    }
    idle_ = taken.empty();
    changed_.notify_all();
    if (idle_) {
      changed_.wait(lock, [&] {
        return stop_ || (!entries_.empty() && entries_.front().state == Entry::State::acked);
      });
      continue;
    }
    lock.unlock();
    out.clear();
    for (const Entry& entry : taken) format(entry, &out);
    if (!print(out)) broken_.store(true, std::memory_order_relaxed);
    lock.lock();
    printed_ += taken.size();
    taken.clear();
  }
}

bool AckPrinter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    const bool more = !entries_.empty() && entries_.front().state == Entry::State::acked;
    return (idle_ && !more) || broken();
  });
  return !broken();
}

}  // namespace headrace::cli
