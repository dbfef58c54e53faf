// cancel_delayed, list_delayed: events that are not due yet.
#include <charconv>

#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/server.h"

namespace headrace::native {
namespace {

// "partition.due.sequence" of the last row of a page.
std::string cursor_after(const core::ListDelayed::Row& row) {
  return std::to_string(row.partition.value()) + "." + std::to_string(row.order.due_us) + "." +
         std::to_string(row.order.sequence);
}

bool parse_cursor(std::string_view text, core::ListDelayed* request) {
  uint32_t partition = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  auto take = [&](auto* number, bool last) {
    const auto parsed = std::from_chars(at, end, *number);
    if (parsed.ec != std::errc()) return false;
    at = parsed.ptr;
    if (last) return at == end;
    return at != end && *at++ == '.';
  };
  if (!take(&partition, false) || !take(&request->after.due_us, false) ||
      !take(&request->after.sequence, true)) {
    return false;
  }
  request->after_partition = PartitionId(partition);
  return request->after.due_us >= 0;
}

void answer(Session& to, const net::native::FrameHeader& header, const core::ListDelayed& listed) {
  proto::ListDelayedOk ok;
  for (const auto& row : listed.rows) {
    auto* event = ok.add_events();
    event->set_id(row.id);
    event->set_partition(row.partition.value());
    event->set_due_us(row.order.due_us);
    event->set_accepted_us(row.accepted_us);
    event->set_type(row.type);
    if (row.has_key) event->set_key(row.key);
    event->set_value_size(static_cast<uint32_t>(row.value_size));
    const bool full = ok.ByteSizeLong() > net::native::kMaxMessageSize / 2;
    const bool last = &row == &listed.rows.back();
    if (full ? !last || listed.more : last && listed.more) ok.set_cursor(cursor_after(row));
    if (full) break;
  }
  to.reply(header, ok);
}

}  // namespace

void handle_cancel_delayed(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::CancelDelayed message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::CancelDelayed>(session.tenant());
  core::Error error;
  request->topic = session.topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  if (message.id().empty()) {
    return session.fail(header, {core::ErrorCode::invalid_request, "id: must not be empty"});
  }
  request->id = message.id();
  request->shard = request->topic->shard;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    proto::CancelDelayedOk ok;
    ok.set_cancelled(core::as<core::CancelDelayed>(*reply).cancelled);
    to.reply(header, ok);
  });
}

void handle_list_delayed(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListDelayed message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::ListDelayed>(session.tenant());
  core::Error error;
  request->topic = session.topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  error = from_proto_page_size(message.page_size(), &request->page_size);
  if (error) return session.fail(header, error);
  if (!message.cursor().empty() && !parse_cursor(message.cursor(), request.get())) {
    return session.fail(
        header, {core::ErrorCode::invalid_request, "cursor: none that this broker has given out"});
  }
  request->shard = request->topic->shard;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    answer(to, header, core::as<core::ListDelayed>(*reply));
  });
}

}  // namespace headrace::native
