// /admin/events/dlq: the dead letters of all acked groups as one list, at paths that dashboards of
// event buses know. An {eventId} is a letter's id or an event's.
#include <charconv>

#include "broker/admin/body.h"
#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/event_json.h"
#include "broker/admin/routes/job_json.h"
#include "broker/admin/routes/letter_json.h"
#include "broker/admin/routes/letter_walk.h"
#include "broker/core/api_jobs.h"
#include "broker/core/parse_error.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert_groups.h"
#include "json/json_rows.h"

namespace headrace::admin {
namespace {

struct LetterPage {
  uint32_t limit = 0;
  JsonRows rows;
  uint32_t count = 0;
  int64_t total = 0;
  std::string cursor;  // GROUP@NUMBER: behind this letter
};

bool take_letters(const CallPtr& call, const core::ListDeadLetters& listed, LetterPage* page) {
  page->cursor = native::dead_letter_id(listed.group->name, listed.last);
  for (const auto& letter : listed.letters) {
    const std::string text = letter_json(call, listed, letter);
    const bool full =
        page->count > 0 && page->rows.size_bytes() + text.size() > limits::kHttpPageBytes;
    if (full || page->count == page->limit) {
      page->cursor = native::dead_letter_id(listed.group->name, letter.sequence - 1);
      return false;
    }
    page->rows.add_object(text);
    ++page->count;
  }
  return true;
}

bool parse_letter_cursor(std::string_view text, std::string* group, uint64_t* after) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return false;
  *group = text.substr(0, at);
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + at + 1, end, *after);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

void answer_letters(const CallPtr& call, const LetterPage& page, bool all_seen) {
  std::optional<std::string> next;
  if (!all_seen) next = page.cursor;
  std::string body;
  JsonLine(&body).raw("letters", page.rows.text()).text_or_null("next_cursor", next).end();
  call->reply(200, std::move(body));
}

// ---- one event's letters

struct FoundLetters {
  GroupOfTopic of;
  std::vector<uint64_t> sequences;
};
using WithLetters = std::function<void(const std::vector<FoundLetters>& found)>;

// Computed ids are in no record, so all letters are looked at then; those of an id that was
// published with are found by a condition.
void find_letters(const CallPtr& call, const std::string& id, bool computed, WithLetters go_on) {
  auto letters = std::make_shared<LetterWalk>();
  auto found = std::make_shared<std::vector<FoundLetters>>();
  letters->groups = groups_from(call, "");
  if (!computed) letters->conditions = {"id == " + core::quoted(id)};
  letters->take = [found, id](const core::ListDeadLetters& page) {
    for (const auto& letter : page.letters) {
      std::string json;
      std::string known;
      const core::Error error = event_json(*page.topic, letter.partition, letter.offset,
                                           letter.append_time_us, letter.event, &json, &known);
      if (error || known != id || letter.redriven_us != 0) continue;
      if (found->empty() || found->back().of.group != page.group) {
        found->push_back({{page.group, page.topic}, {}});
      }
      if (found->back().sequences.size() < limits::kLettersPerDelete) {
        found->back().sequences.push_back(letter.sequence);
      }
    }
    return true;
  };
  letters->done = [call, found, id, computed, go_on](bool all_seen) {
    // All of them or none.
    if (!all_seen) {
      return call->fail({core::ErrorCode::timed_out, "name the letter: GROUP@NUMBER"});
    }
    if (!found->empty()) return go_on(*found);
    if (!computed) return find_letters(call, id, true, go_on);
    call->fail({core::ErrorCode::unknown_dead_letter, "'" + id + "'"});
  };
  walk(call, letters);
}

void with_letters(const CallPtr& call, WithLetters go_on) {
  const std::string& id = call->parameter("eventId");
  std::string name;
  uint64_t sequence = 0;
  if (native::parse_dead_letter_id(id, &name, &sequence)) {
    const auto groups = groups_from(call, name);
    if (!groups.empty() && groups.front().group->name == name) {
      return go_on({{groups.front(), {sequence}}});
    }
  }
  find_letters(call, id, false, std::move(go_on));
}

// One request per group; `add` is told of each that was done. The first error is the answer.
template <class Question, class Make, class Done>
void ask_each(const CallPtr& call, const std::vector<FoundLetters>& found, const Make& make,
              Done done) {
  std::vector<core::RequestPtr> questions;
  for (const FoundLetters& one : found) {
    auto request = call->about<Question>(one.of.group, one.of.topic);
    make(one, request.get());
    questions.push_back(std::move(request));
  }
  call->admin().ask(std::move(questions), [call, done](std::vector<core::RequestPtr> answers) {
    for (const auto& answer : answers) {
      if (answer->error) return call->refuse(answer->error);
    }
    done(answers);
  });
}

}  // namespace

void get_event_dlq(const CallPtr& call) {
  Query query(call->request());
  auto page = std::make_shared<LetterPage>();
  page->limit = query.limit();
  const auto only = query.text("group");
  const auto cursor = query.text("cursor");
  std::string first = only.value_or("");
  auto letters = std::make_shared<LetterWalk>();
  if (cursor && !parse_letter_cursor(*cursor, &first, &letters->after)) {
    query.wrong("cursor", "none that this broker has given out");
  }
  if (const core::Error error = query.finish()) return call->fail(error);
  page->cursor = cursor.value_or("");
  letters->groups = groups_from(call, first);
  if (only) {
    std::erase_if(letters->groups, [&](const auto& one) { return one.group->name != *only; });
    if (letters->groups.empty()) {
      return call->fail({core::ErrorCode::unknown_group, "'" + *only + "'"});
    }
  }
  // The group of the cursor may be gone: then the next one begins with its first letter.
  if (letters->groups.empty() || letters->groups.front().group->name != first) letters->after = 0;
  letters->page_size = page->limit;
  letters->take = [call, page](const auto& listed) {
    return take_letters(call, listed, page.get());
  };
  letters->done = [call, page](bool all_seen) { answer_letters(call, *page, all_seen); };
  walk(call, letters);
}

void retry_event_dlq(const CallPtr& call) {
  if (const core::Error error = Body(call->request()).finish()) return call->fail(error);
  with_letters(call, [call](const std::vector<FoundLetters>& found) {
    const auto make = [](const FoundLetters& one, core::StartJob* request) {
      request->kind = core::JobKind::redrive;
      request->letters = one.sequences;
    };
    ask_each<core::StartJob>(call, found, make, [call](const auto& answers) {
      JsonRows rows;
      for (const auto& answer : answers) {
        const auto& started = core::as<core::StartJob>(*answer);
        rows.add([&](JsonLine* line) { job_json(line, *started.group, started.job); });
      }
      std::string body;
      JsonLine(&body).text("eventId", call->parameter("eventId")).raw("jobs", rows.text()).end();
      call->reply(201, std::move(body));
    });
  });
}

void delete_event_dlq(const CallPtr& call) {
  with_letters(call, [call](const std::vector<FoundLetters>& found) {
    const auto make = [](const FoundLetters& one, core::DeleteDeadLetters* request) {
      request->only = one.sequences;
    };
    ask_each<core::DeleteDeadLetters>(call, found, make, [call](const auto& answers) {
      int64_t deleted = 0;
      for (const auto& answer : answers) {
        deleted += core::as<core::DeleteDeadLetters>(*answer).deleted;
      }
      if (deleted == 0) {
        return call->fail(
            {core::ErrorCode::unknown_dead_letter, "'" + call->parameter("eventId") + "'"});
      }
      std::string body;
      JsonLine(&body).text("eventId", call->parameter("eventId")).number("deleted", deleted).end();
      call->reply(200, std::move(body));
    });
  });
}

}  // namespace headrace::admin
