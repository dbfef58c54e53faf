// /v1/groups/{group}/settle: how deliveries ended.
#include <charconv>
#include <utility>

#include "broker/admin/body.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/delivery_handle.h"
#include "broker/limits.h"
#include "json/json_rows.h"
#include "metrics/quantity.h"
#include "metrics/utf8.h"

namespace headrace::admin {

std::string to_string(const DeliveryHandle& handle) {
  std::string text = std::to_string(handle.member);
  for (const int64_t number : {int64_t{handle.lane.value()}, int64_t{handle.partition.value()},
                               handle.offset.value(), int64_t{handle.attempt}}) {
    text += '.' + std::to_string(number);
  }
  return text;
}

std::optional<DeliveryHandle> parse_delivery_handle(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  bool sound = true;
  const auto take = [&](auto* number, bool last) {
    const auto parsed = std::from_chars(at, end, *number);
    at = parsed.ptr;
    sound = sound && parsed.ec == std::errc() && *number >= 0 && (at == end) == last;
    if (sound && !last) sound = *at++ == '.';
  };
  uint64_t member = 0;
  uint32_t lane = 0;
  uint32_t partition = 0;
  int64_t offset = 0;
  uint32_t attempt = 0;
  take(&member, false);
  if (sound) take(&lane, false);
  if (sound) take(&partition, false);
  if (sound) take(&offset, false);
  if (sound) take(&attempt, true);
  if (!sound) return std::nullopt;
  return DeliveryHandle{member, LaneId(lane), PartitionId(partition), Offset(offset), attempt};
}

namespace {

constexpr std::pair<std::string_view, core::Verdict> kVerdicts[] = {
    {"ack", core::Verdict::ack},         {"nack", core::Verdict::nack},
    {"reject", core::Verdict::reject},   {"extend", core::Verdict::extend},
    {"release", core::Verdict::release},
};

std::optional<core::Verdict> parse_verdict(std::string_view text) {
  for (const auto& [name, verdict] : kVerdicts) {
    if (name == text) return verdict;
  }
  return std::nullopt;
}

struct Settling {
  std::vector<core::Settle::Outcome> outcomes;
  std::vector<DeliveryHandle> handles;
};

void read_outcome(Body* body, Settling* settling) {
  body->require("delivery");
  body->require("outcome");
  const auto handle =
      body->form("delivery", "one that this broker has given out", parse_delivery_handle);
  const auto verdict =
      body->form("outcome", "one of ack, nack, reject, extend, release", parse_verdict);
  const auto delay_us = body->form("delay", kDurationExample, parse_duration_us);
  const std::string error = body->text("error").value_or("");
  if (delay_us && verdict != core::Verdict::nack) body->wrong("delay", "only a nack has one");
  if (delay_us.value_or(0) > limits::kRetryDelayUsMax) body->wrong("delay", "at most 31 days");
  if (!handle || !verdict) return;  // said by finish()
  settling->handles.push_back(*handle);
  settling->outcomes.push_back({handle->partition,
                                handle->lane,
                                handle->offset,
                                handle->offset,
                                handle->attempt,
                                *verdict,
                                delay_us.value_or(-1),
                                clean_utf8(error, limits::kErrorTextMax),
                                {}});
}

void answer_settled(const CallPtr& call, const Settling& settling, const core::Settle& settled) {
  JsonRows rows;
  int status = 200;
  for (size_t i = 0; i < settled.outcomes.size(); ++i) {
    const auto& outcome = settled.outcomes[i];
    const DeliveryHandle& handle = settling.handles[i];
    rows.add([&](JsonLine* line) {
      line->text("delivery", to_string(handle)).boolean("settled", !outcome.refused);
      if (!outcome.refused) return;
      const auto& row = core::info(outcome.refused.code);
      line->number("status", row.http_status)
          .text("code", row.name)
          .text("detail", outcome.refused.message());
    });
    if (outcome.refused) {
      status = 207;
    } else if (outcome.verdict == core::Verdict::extend) {
      call->admin().members().touch(*settled.group, handle.member, http::now_mono_us());
    }
  }
  std::string body;
  JsonLine(&body).text("group", settled.group->name).raw("results", rows.text()).end();
  call->reply(status, std::move(body));
}

}  // namespace

void settle_deliveries(const CallPtr& call) {
  Body body(call->request());
  auto settling = std::make_shared<Settling>();
  body.require("outcomes");
  for (Body& one : body.objects("outcomes", limits::kHttpOutcomesMax)) {
    read_outcome(&one, settling.get());
  }
  if (const core::Error error = body.finish()) return call->fail(error);
  call->with_acked_group([=](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::Settle>(group, topic);
    request->outcomes = settling->outcomes;
    call->ask<core::Settle>(std::move(request), [call, settling](core::Settle& settled) {
      answer_settled(call, *settling, settled);
    });
  });
}

}  // namespace headrace::admin
