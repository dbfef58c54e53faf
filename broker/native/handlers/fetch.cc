// fetch: long poll of one partition, whole batches. list_offsets: where a position is.
#include <algorithm>

#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/session.h"
#include "metrics/counters.h"

namespace headrace::native {
namespace {

void send(Session& to, const net::native::FrameHeader& header, proto::FetchOk ok,
          std::vector<core::StoredBatch> batches) {
  std::vector<SharedBytes> payload;
  payload.reserve(batches.size());
  const bool kept_back = std::ranges::any_of(
      batches, [](const core::StoredBatch& batch) { return batch.violations != nullptr; });
  for (auto& batch : batches) {
    ok.add_batch_sizes(static_cast<uint32_t>(batch.bytes.size()));
    ok.add_append_times_us(batch.append_time_us);
    if (kept_back) ok.add_violations(batch.violations ? batch.violations->encode() : "");
    payload.push_back(std::move(batch.bytes));
  }
  to.reply(header, ok, payload);
}

void answer(Session& to, const net::native::FrameHeader& header, core::Fetch& fetched) {
  metrics::add(metrics::Counter::fetch_requests);
  if (fetched.error) return to.fail(header, fetched.error);
  proto::FetchOk ok;
  ok.set_visible_end(fetched.visible_end.value());
  ok.set_stable_end(fetched.visible_end.value());
  ok.set_log_start(fetched.log_start.value());
  if (to.codecs().reads(fetched.batches)) {
    return send(to, header, std::move(ok), std::move(fetched.batches));
  }
  to.recode(std::move(fetched.batches), to.codecs(),
            [header, ok](Session& session, const core::Error& error,
                         std::vector<core::StoredBatch> batches) {
              if (error) return session.fail(header, error);
              send(session, header, ok, std::move(batches));
            });
}

}  // namespace

void handle_fetch(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::Fetch message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::Fetch>(session.tenant());
  core::Error error;
  request->topic = session.topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  request->shard = request->topic->shard;
  request->partition = PartitionId(message.partition());
  request->offset = Offset(message.offset());
  request->max_bytes =
      std::min(message.max_bytes() == 0 ? limits::kFetchBytesDefault : message.max_bytes(),
               limits::kFetchBytesMax);
  request->min_bytes = std::min(message.min_bytes(), request->max_bytes);
  const int64_t wait_ms = std::min(message.wait_ms(), limits::kFetchWaitMsMax);
  if (wait_ms > 0) {
    request->min_bytes = std::max(request->min_bytes, uint32_t{1});
    request->deadline_mono_us = session.now().mono_us + wait_ms * kMicrosPerMilli;
  }
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    answer(to, header, core::as<core::Fetch>(*reply));
  });
}

void handle_list_offsets(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListOffsets message;
  if (!session.parse(frame, &message)) return;
  auto request = std::make_unique<core::ListOffsets>(session.tenant());
  core::Error error;
  request->topic = session.topic(message.topic(), &error);
  if (request->topic == nullptr) return session.fail(header, error);
  request->shard = request->topic->shard;
  request->partition = PartitionId(message.partition());
  request->at = from_proto(message.at());
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& found = core::as<core::ListOffsets>(*reply);
    if (found.error) return to.fail(header, found.error);
    proto::ListOffsetsOk ok;
    ok.set_offset(found.offset.value());
    ok.set_append_time_us(found.append_time_us);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native
