// drop_month, begin_import, import_batches, note_export: whole months of the tenant.
#include "broker/core/api_access.h"
#include "broker/core/api_months.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/server.h"
#include "storage/month.h"

namespace headrace::native {
namespace {

core::Error check_month(uint32_t month) {
  if (storage::is_month(Month(month))) return {};
  return {core::ErrorCode::invalid_request, "month: " + std::to_string(month) + " is not YYYYMM"};
}

// Topic by topic: all are looked at before the first is changed.
struct MonthDrop {
  net::native::FrameHeader header;
  Month month;
  bool force = false;
  std::string why;
  std::vector<core::TopicPtr> topics;
  size_t at = 0;
  bool check_only = true;
  proto::DropMonthOk receipt;
};

void finish_drop(Session& session, const MonthDrop& drop) {
  auto note = std::make_unique<core::NoteAction>(session.tenant());
  note->shard = kMetaShard;
  note->action = core::AuditAction::month_removed;
  note->object = "month " + std::to_string(drop.month.value());
  note->why = drop.why;
  note->changes = {{"topics", std::to_string(drop.receipt.topics()), "0"},
                   {"partitions", std::to_string(drop.receipt.partitions()), "0"},
                   {"events", std::to_string(drop.receipt.events()), "0"},
                   {"bytes", std::to_string(drop.receipt.bytes()), "0"}};
  session.ask(std::move(note), 0, [drop](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(drop.header, reply->error);
    to.reply(drop.header, drop.receipt);
  });
}

void go_on_dropping(Session& session, std::shared_ptr<MonthDrop> drop) {
  if (drop->at == drop->topics.size()) {
    if (!drop->check_only) {
      return drop->receipt.events() > 0 ? finish_drop(session, *drop)
                                        : session.reply(drop->header, drop->receipt);
    }
    drop->check_only = false;
    drop->at = 0;
  }
  if (drop->topics.empty()) return session.reply(drop->header, drop->receipt);
  auto request = std::make_unique<core::DropMonth>(session.tenant());
  request->topic = drop->topics[drop->at++];
  request->shard = request->topic->shard;
  request->month = drop->month;
  request->force = drop->force;
  request->why = drop->why;
  request->check_only = drop->check_only;
  session.ask(std::move(request), 0, [drop](Session& to, core::RequestPtr reply) {
    auto& done = core::as<core::DropMonth>(*reply);
    if (done.error) return to.fail(drop->header, done.error);
    if (!done.check_only && done.events > 0) {
      drop->receipt.set_topics(drop->receipt.topics() + 1);
      drop->receipt.set_partitions(drop->receipt.partitions() + done.partitions);
      drop->receipt.set_events(drop->receipt.events() + done.events);
      drop->receipt.set_bytes(drop->receipt.bytes() + done.bytes);
    }
    go_on_dropping(to, drop);
  });
}

core::Error take_batches(const proto::ImportBatches& message, const SharedBytes& payload,
                         core::ImportBatches* request) {
  if (message.batch_sizes_size() != message.append_times_us_size() ||
      message.batch_sizes_size() == 0)
    return {core::ErrorCode::invalid_request, "batch_sizes: one for each of append_times_us"};
  if (message.violations_size() != 0 && message.violations_size() != message.batch_sizes_size())
    return {core::ErrorCode::invalid_request, "violations: one for each of batch_sizes, or none"};
  size_t at = 0;
  for (int i = 0; i < message.batch_sizes_size(); ++i) {
    const size_t size = message.batch_sizes(i);
    if (size > payload.size() - at) {
      return {core::ErrorCode::invalid_request, "batch_sizes: more than the payload"};
    }
    auto& item = request->items.emplace_back();
    item.batch = payload.slice(at, size);
    item.append_time_us = message.append_times_us(i);
    at += size;
    const auto bytes = item.batch.span();
    if (core::Error error = from_batch(storage::check_header(bytes, &item.header))) return error;
    if (message.violations_size() > 0 && !message.violations(i).empty()) {
      auto violations = storage::Violations::open(message.violations(i), item.header.record_count);
      if (!violations) return {core::ErrorCode::invalid_request, "violations: they are damaged"};
      item.violations = std::move(*violations);
    }
    if (item.header.codec() != storage::Codec::none) {
      item.summary.types_unknown = true;  // nobody looks into it here: filters will
      continue;
    }
    const auto records = bytes.subspan(storage::kBatchHeaderSize);
    const auto walked = storage::walk(records, item.header, &item.summary);
    if (core::Error error = from_batch(walked)) return error;
  }
  if (at == payload.size()) return {};
  return {core::ErrorCode::invalid_request, "batch_sizes: less than the payload"};
}

}  // namespace

void handle_drop_month(Session& session, net::native::Frame&& frame) {
  proto::DropMonth message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = check_month(message.month())) return session.fail(frame.header, error);
  auto drop = std::make_shared<MonthDrop>();
  drop->header = frame.header;
  drop->month = Month(message.month());
  drop->force = message.force();
  drop->why = message.reason();
  if (!message.topic().empty()) {
    core::Error error;
    auto topic = session.topic(message.topic(), &error);
    if (topic == nullptr) return session.fail(frame.header, error);
    drop->topics.push_back(std::move(topic));
  } else {
    for (const auto& [name, topic] : session.reactor().catalog()->topics) {
      if (name.first != session.tenant().tenant()) continue;
      if (topic->state == core::Topic::State::active) drop->topics.push_back(topic);
    }
  }
  go_on_dropping(session, std::move(drop));
}

void handle_begin_import(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::BeginImport message;
  if (!session.parse(frame, &message)) return;
  core::Error error = check_month(message.month());
  if (!error && Month(message.month()) > storage::month_of(session.now().wall_us)) {
    error = {core::ErrorCode::invalid_request, "month: it has not begun"};
  }
  if (!error && (message.first_offset() < 0 || message.end_offset() <= message.first_offset())) {
    error = {core::ErrorCode::invalid_request, "end_offset: must lie behind first_offset"};
  }
  if (!error && message.file_hash().size() > 64) {
    error = {core::ErrorCode::invalid_request, "file_hash: is not SHA-256 in hexadecimal"};
  }
  if (error) return session.fail(header, error);
  auto request = std::make_unique<core::BeginImport>(session.tenant());
  request->topic = session.publish_topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  request->shard = request->topic->shard;
  request->partition = PartitionId(message.partition());
  request->month = Month(message.month());
  request->first = Offset(message.first_offset());
  request->end = Offset(message.end_offset());
  request->digest = message.digest();
  request->file_hash = message.file_hash();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::BeginImportOk ok;
    ok.set_present(core::as<core::BeginImport>(*reply).present);
    to.reply(header, ok);
  });
}

void handle_import_batches(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ImportBatches message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = session.may_publish()) return session.fail(header, error);
  auto request = std::make_unique<core::ImportBatches>(session.tenant());
  core::Error error;
  request->topic = session.publish_topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  if (frame.payload.size() > session.server().options().max_batch_bytes) {
    error = {core::ErrorCode::too_large, std::to_string(frame.payload.size()) + " bytes"};
    return session.fail(header, error);
  }
  error = take_batches(message, frame.payload, request.get());
  if (error) return session.fail(header, error);
  request->shard = request->topic->shard;
  request->partition = PartitionId(message.partition());
  const size_t bytes = frame.payload.size();
  session.ask(std::move(request), bytes, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    const auto& imported = core::as<core::ImportBatches>(*reply);
    proto::ImportBatchesOk ok;
    ok.set_next_offset(imported.next.value());
    ok.set_done(imported.done);
    to.reply(header, ok);
  });
}

void handle_note_export(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::NoteExport message;
  if (!session.parse(frame, &message)) return;
  if (core::Error error = check_month(message.month())) return session.fail(header, error);
  auto note = std::make_unique<core::NoteAction>(session.tenant());
  note->shard = kMetaShard;
  note->action = core::AuditAction::month_exported;
  note->object = "month " + std::to_string(message.month());
  note->changes = {{"events", "", std::to_string(message.events())},
                   {"bytes", "", std::to_string(message.bytes())},
                   {"file", "", message.file_hash()}};
  session.ask(std::move(note), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    to.reply(header, proto::NoteExportOk());
  });
}

}  // namespace headrace::native
