// explain_event: what an acked group did, does or will do with one event. The event is read first,
// for the group's filter; it may be gone from the log while the group still has it.
#include <charconv>

#include "broker/core/api_explain.h"
#include "broker/core/api_history.h"
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_groups.h"
#include "broker/native/handlers/convert_jobs.h"
#include "broker/native/handlers/find_group.h"
#include "metrics/utf8.h"

namespace headrace::native {
namespace {

using core::ErrorCode;

// DUE.OFFSET.ATTEMPT
std::string cursor_of(const core::ParkedAt& at) {
  return std::to_string(at.due_us) + "." + std::to_string(at.offset.value()) + "." +
         std::to_string(at.attempt);
}

bool parse_cursor(std::string_view text, core::ParkedAt* at) {
  const char* const end = text.data() + text.size();
  int64_t offset = 0;
  auto parsed = std::from_chars(text.data(), end, at->due_us);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '.') return false;
  parsed = std::from_chars(parsed.ptr + 1, end, offset);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '.') return false;
  parsed = std::from_chars(parsed.ptr + 1, end, at->attempt);
  at->offset = Offset(offset);
  return parsed.ec == std::errc() && parsed.ptr == end && at->due_us >= 0 && offset >= 0;
}

void fill(const core::ExplainEvent& told, proto::ExplainEventOk* ok) {
  ok->set_status(std::string(core::to_string(told.place.status)));
  if (told.matches) ok->set_matches(*told.matches);
  ok->set_mismatch(clean_utf8(told.mismatch, limits::kMismatchTextMax));
  for (const std::string& word : told.held_by) ok->add_held_by(word);
  ok->set_state(std::string(core::to_string(told.state)));
  ok->set_state_reason(clean_utf8(told.state_reason, limits::kErrorTextMax));
  ok->set_cooldown_ends_us(told.cooldown_ends_us);
  ok->set_events_before(told.place.before);
  ok->set_attempt(told.place.attempt);
  ok->set_member(clean_utf8(told.place.member, limits::kErrorTextMax));
  ok->set_started_us(told.place.started_us);
  ok->set_deadline_us(told.place.deadline_us);
  ok->set_due_us(told.place.due_us);
  for (const auto& attempt : told.place.attempts) to_proto(attempt, ok->add_attempts());
  if (told.letter) {
    const core::DeadLetter& letter = *told.letter;
    ok->set_letter(dead_letter_id(told.group->name, letter.sequence));
    ok->set_reason(std::string(core::to_string(letter.reason)));
    ok->set_error(clean_utf8(letter.error, limits::kErrorTextMax));
    ok->set_dead_us(letter.dead_us);
    if (letter.redriven_by != LaneId(0)) {
      ok->set_redriven_by(job_id(told.group->name, letter.redriven_by));
    }
  }
  for (const auto& job : told.jobs) {
    auto* row = ok->add_jobs();
    row->set_id(job_id(told.group->name, job.lane));
    row->set_kind(std::string(core::to_string(job.kind)));
    row->set_state(std::string(core::to_string(job.state)));
    row->set_status(std::string(core::to_string(job.status)));
  }
  ok->set_schema_violation(told.violation);
  if (told.looked_to) ok->set_cursor(cursor_of(*told.looked_to));
}

// The newest event at or below the offset: the one that is asked for, if it can be read.
std::unique_ptr<core::FindEvents> make_search(Session& session,
                                              const core::ExplainEvent& question) {
  auto request = std::make_unique<core::FindEvents>(session.tenant());
  request->topic = question.topic;
  request->shard = question.shard;
  request->partition = question.partition;
  request->query = std::make_shared<core::EventQuery>();
  request->before = question.offset + 1;
  request->page_size = 1;
  return request;
}

// Gives the question its event, as far as there is one; how that went, or out of range.
core::Error take_event(const core::FindEvents& found, core::ExplainEvent* question,
                       const char** event) {
  if (question->offset >= found.visible_end) {
    return {ErrorCode::offset_out_of_range, "partition " +
                                                std::to_string(question->partition.value()) +
                                                " of " + question->topic->name + " ends before " +
                                                std::to_string(found.visible_end.value())};
  }
  *event = question->offset < found.log_start ? "gone" : "unreadable";
  if (found.events.empty() || found.events.front().offset != question->offset) return {};
  *event = "found";
  question->event = found.events.front().event;
  question->violation = found.events.front().violation;
  question->append_time_us = found.events.front().append_time_us;
  return {};
}

core::Error check(const proto::ExplainEvent& message, const FoundGroup& found,
                  core::ExplainEvent* request) {
  if (message.topic() != found.topic->name) {
    return {ErrorCode::group_topic_mismatch,
            "topic: '" + message.group() + "' is of '" + found.topic->name + "'"};
  }
  if (message.partition() >= found.topic->partitions) {
    return {ErrorCode::unknown_partition,
            "partition: " + found.topic->name + " has " + std::to_string(found.topic->partitions)};
  }
  if (message.offset() < 0 || message.offset() == INT64_MAX) {
    return {ErrorCode::offset_out_of_range, "offset: must not be negative"};
  }
  if (message.cursor().empty()) return {};
  if (parse_cursor(message.cursor(), &request->looked_to.emplace())) return {};
  return {ErrorCode::invalid_request, "cursor: none that this broker has given out"};
}

}  // namespace

void handle_explain_event(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ExplainEvent message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  auto question = std::make_shared<std::unique_ptr<core::ExplainEvent>>(
      std::make_unique<core::ExplainEvent>(session.tenant()));
  if (const core::Error error = check(message, *found, question->get())) {
    return session.fail(header, error);
  }
  (*question)->group = found->group;
  (*question)->topic = found->topic;
  (*question)->shard = found->topic->shard;
  (*question)->partition = PartitionId(message.partition());
  (*question)->offset = Offset(message.offset());
  session.ask(
      make_search(session, **question), 0, [header, question](Session& to, core::RequestPtr reply) {
        if (reply->error) return to.fail(header, reply->error);
        const char* event = "";
        const auto& search = core::as<core::FindEvents>(*reply);
        if (auto error = take_event(search, question->get(), &event)) {
          return to.fail(header, error);
        }
        to.ask(std::move(*question), 0, [header, event](Session& asker, core::RequestPtr answer) {
          if (answer->error) return asker.fail(header, answer->error);
          proto::ExplainEventOk ok;
          fill(core::as<core::ExplainEvent>(*answer), &ok);
          ok.set_event(event);
          asker.reply(header, ok);
        });
      });
}

}  // namespace headrace::native
