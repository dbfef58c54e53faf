// /v1/topics/{topic}/partitions/{partition}/events: reads on from a position, oldest first, and
// waits.
#include <algorithm>
#include <charconv>

#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/event_json.h"
#include "broker/limits.h"
#include "broker/native/decode.h"
#include "broker/native/handlers/convert.h"
#include "json/json_rows.h"
#include "json/position.h"

namespace headrace::admin {
namespace {

struct Reading {
  PartitionId partition;
  proto::Position from;
  uint32_t limit = 0;
  int64_t wait_us = 0;
  Admin::WaitSlot slot;
};
using ReadingPtr = std::shared_ptr<Reading>;

core::Error read_request(const CallPtr& call, Reading* reading) {
  Query query(call->request());
  reading->limit = query.limit();
  reading->wait_us = call->admin().bounded_wait_us(query.wait_us());
  reading->from.set_earliest(true);
  if (const auto from = query.form("from", kPositionExample, parse_position)) {
    reading->from = *from;
  }
  const std::string& text = call->parameter("partition");
  uint32_t partition = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, partition);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    query.wrong("partition", "'" + text + "' is not a number");
  }
  reading->partition = PartitionId(partition);
  return query.finish();
}

// Whole batches come; the rows begin at the offset that was asked for and end at the limit.
void answer_read(const CallPtr& call, const Reading& reading, const core::Fetch& fetched) {
  JsonRows rows;
  uint32_t count = 0;
  Offset next = std::max(fetched.offset, fetched.skipped_to);
  bool full = false;
  for (const auto& batch : fetched.batches) {
    std::string scratch;
    const auto visit = [&](const storage::BatchHeader& header, const storage::RecordView& record) {
      const Offset offset(header.base_offset + record.offset_delta);
      if (full || offset < fetched.offset) return;
      const std::string row =
          record_json(*fetched.topic, fetched.partition, header, record, batch.append_time_us);
      full = count == reading.limit ||
             (count > 0 && rows.size_bytes() + row.size() > limits::kHttpPageBytes);
      if (full) return;
      rows.add_object(row);
      ++count;
      next = offset + 1;
    };
    // What cannot be read here does not hide what came before it.
    const core::Error error = native::for_each_record(batch.bytes, &scratch, visit);
    if (error && count == 0) return call->fail(error);
    if (error || full) break;
  }
  std::string body;
  JsonLine(&body)
      .raw("events", rows.text())
      .number("next_offset", next.value())
      .number("log_start", fetched.log_start.value())
      .number("visible_end", fetched.visible_end.value())
      .end();
  call->reply(200, std::move(body));
}

void read_from(const CallPtr& call, const ReadingPtr& reading, const core::TopicPtr& topic,
               Offset from) {
  auto request = std::make_unique<core::Fetch>(call->tenant());
  request->topic = topic;
  request->shard = topic->shard;
  request->partition = reading->partition;
  request->offset = from;
  request->max_bytes = limits::kFetchBytesDefault;
  if (reading->wait_us > 0) {
    request->deadline_mono_us = call->request().received_mono_us + reading->wait_us;
  }
  call->ask<core::Fetch>(std::move(request), [call, reading](core::Fetch& fetched) {
    answer_read(call, *reading, fetched);
  });
}

}  // namespace

void read_events(const CallPtr& call) {
  auto reading = std::make_shared<Reading>();
  if (const core::Error error = read_request(call, reading.get())) return call->fail(error);
  call->with_topic(call->parameter("topic"), [call, reading](const core::TopicPtr& topic) {
    if (reading->wait_us > 0 &&
        (reading->slot = call->admin().begin_wait(call->tenant().tenant())) == nullptr) {
      return call->fail(too_many_waits());
    }
    if (reading->from.has_offset()) {
      return read_from(call, reading, topic, Offset(reading->from.offset()));
    }
    auto request = std::make_unique<core::ListOffsets>(call->tenant());
    request->topic = topic;
    request->shard = topic->shard;
    request->partition = reading->partition;
    request->at = native::from_proto(reading->from);
    call->ask<core::ListOffsets>(std::move(request),
                                 [call, reading, topic](core::ListOffsets& found) {
                                   read_from(call, reading, topic, found.offset);
                                 });
  });
}

}  // namespace headrace::admin
