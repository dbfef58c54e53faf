// /v1/groups/{group}/dlq: an acked group's dead letters: list, get, delete, purge in two steps.
// Redriving them is a job (jobs.cc).
#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/event_json.h"
#include "broker/admin/routes/letter_json.h"
#include "broker/core/api_acked.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert_groups.h"
#include "json/dead_letter.h"
#include "json/json_rows.h"

namespace headrace::admin {

std::string letter_json(const CallPtr& call, const core::ListDeadLetters& listed,
                        const core::DeadLetter& letter) {
  std::string event;
  // One that cannot be decoded is there for its history.
  if (event_json(*listed.topic, letter.partition, letter.offset, letter.append_time_us,
                 letter.event, &event, nullptr, {}, call->admin().options().redactor.get())) {
    event = "null";
  }
  proto::DeadLetter message;
  std::string value;
  native::to_proto(*listed.group, *listed.topic, letter, &message, &value);
  std::string text;
  JsonLine line(&text);
  letter_fields(&line, message, event);
  line.end();
  text.pop_back();  // the line's end
  return text;
}

namespace {

void answer_list(const CallPtr& call, const core::ListDeadLetters& listed) {
  JsonRows rows;
  uint64_t last = listed.last;
  bool more = listed.more;
  for (const auto& letter : listed.letters) {
    const std::string text = letter_json(call, listed, letter);
    if (!rows.empty() && rows.size_bytes() + text.size() > limits::kHttpPageBytes) {
      more = true;
      break;
    }
    rows.add_object(text);
    last = letter.sequence;
  }
  if (rows.empty() || !more) last = listed.last;
  std::optional<std::string> next;
  if (more) next = std::to_string(last);
  std::string body;
  JsonLine line(&body);
  line.raw("letters", rows.text()).number("total", listed.total).text_or_null("next_cursor", next);
  line.end();
  call->reply(200, std::move(body));
}

// The letter of the path's {id}, GROUP@NUMBER of the path's {group}; answers the error otherwise.
bool letter_of(const CallPtr& call, uint64_t* sequence) {
  const std::string& id = call->parameter("id");
  std::string group;
  if (!native::parse_dead_letter_id(id, &group, sequence)) {
    call->fail({core::ErrorCode::invalid_request, "id: '" + id + "' is not GROUP@NUMBER"});
    return false;
  }
  if (group != call->parameter("group")) {
    call->fail({core::ErrorCode::unknown_dead_letter, "'" + id + "' is of another group"});
    return false;
  }
  return true;
}

void answer_deleted(const CallPtr& call, const core::DeleteDeadLetters& done) {
  std::optional<std::string> token;
  if (done.deleted == 0 && !done.token.empty()) token = done.token;
  std::string body;
  JsonLine line(&body);
  line.text("group", done.group->name)
      .number("matched", done.matched)
      .number("deleted", done.deleted)
      .text_or_null("token", token);
  line.end();
  call->reply(200, std::move(body));
}

// `reason` is a condition, too: written out for whoever has no wish to.
void add_reason(const std::optional<std::string>& reason, std::vector<std::string>* conditions) {
  if (reason) conditions->push_back("reason == " + *reason);
}

}  // namespace

void get_dead_letters(const CallPtr& call) {
  Query query(call->request());
  const uint32_t limit = query.limit();
  const auto cursor = query.text("cursor");
  auto conditions = query.texts("where");
  add_reason(query.text("reason"), &conditions);
  if (const core::Error error = query.finish()) return call->fail(error);
  uint64_t after = 0;
  if (cursor && !native::parse_sequence(*cursor, &after)) {
    return call->fail(
        {core::ErrorCode::invalid_request, "cursor: none that this broker has given out"});
  }
  call->name_fields({{"conditions[", "where["}});
  call->with_acked_group([=](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::ListDeadLetters>(group, topic);
    request->page_size = limit;
    request->after = after;
    request->conditions = conditions;
    call->ask<core::ListDeadLetters>(
        std::move(request), [call](core::ListDeadLetters& listed) { answer_list(call, listed); });
  });
}

void get_dead_letter(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  uint64_t sequence = 0;
  if (!letter_of(call, &sequence)) return;
  call->with_acked_group(
      [call, sequence](const core::GroupPtr& group, const core::TopicPtr& topic) {
        auto request = call->about<core::ListDeadLetters>(group, topic);
        request->only = sequence;
        request->page_size = 1;
        call->ask<core::ListDeadLetters>(std::move(request), [call](core::ListDeadLetters& listed) {
          if (listed.letters.empty()) {
            return call->fail({core::ErrorCode::unknown_dead_letter, call->parameter("id")});
          }
          call->reply(200, letter_json(call, listed, listed.letters.front()));
        });
      });
}

void delete_dead_letter(const CallPtr& call) {
  uint64_t sequence = 0;
  if (!letter_of(call, &sequence)) return;
  call->with_acked_group([call, sequence](const core::GroupPtr& group,
                                          const core::TopicPtr& topic) {
    auto request = call->about<core::DeleteDeadLetters>(group, topic);
    request->only = {sequence};
    call->ask<core::DeleteDeadLetters>(
        std::move(request), [call](core::DeleteDeadLetters& done) { answer_deleted(call, done); });
  });
}

void purge_dead_letters(const CallPtr& call) {
  Body body(call->request());
  auto conditions = body.texts("where").value_or(std::vector<std::string>());
  add_reason(body.text("reason"), &conditions);
  const bool all = body.boolean("all");
  const std::string token = body.text("token").value_or("");
  if (const core::Error error = body.finish()) return call->fail(error);
  call->name_fields(
      {{"conditions[", "where["},
       {"either letters by id, or conditions, or all", "where: either where, or all"}});
  call->with_acked_group([=](const core::GroupPtr& group, const core::TopicPtr& topic) {
    auto request = call->about<core::DeleteDeadLetters>(group, topic);
    request->conditions = conditions;
    request->all = all;
    request->token = token;
    call->ask<core::DeleteDeadLetters>(
        std::move(request), [call](core::DeleteDeadLetters& done) { answer_deleted(call, done); });
  });
}

}  // namespace headrace::admin
