// /v1/topics/{topic}/events: a search through a topic's history, newest first, and one event by id.
#include <charconv>

#include "broker/admin/query.h"
#include "broker/admin/routes.h"
#include "broker/admin/routes/event_json.h"
#include "broker/limits.h"
#include "broker/native/decode.h"
#include "broker/native/handlers/convert_events.h"
#include "json/event.h"
#include "json/json_rows.h"

namespace headrace::admin {

std::string record_json(const core::Topic& topic, PartitionId partition,
                        const storage::BatchHeader& header, const storage::RecordView& record,
                        int64_t append_time_us, std::string* id) {
  const EventView view{.topic = topic.name,
                       .topic_id = topic.id.value(),
                       .partition = partition.value(),
                       .offset = header.base_offset + record.offset_delta,
                       .append_time_us = append_time_us,
                       .epoch = static_cast<uint32_t>(header.leader_epoch),
                       .status = {},
                       .violation = {},
                       .record = record};
  std::string json;
  JsonLine line(&json);
  event_fields(&line, view);
  line.end();
  json.pop_back();  // the line's end
  if (id != nullptr) *id = event_id(view, storage::read_attributes(record));
  return json;
}

core::Error event_json(const core::Topic& topic, PartitionId partition, Offset offset,
                       int64_t append_time_us, const SharedBytes& event, std::string* json,
                       std::string* id, std::string_view status, const Redactor* redactor,
                       std::string_view violation) {
  std::string scratch;
  return native::for_each_record(
      event, &scratch, [&](const storage::BatchHeader& header, const storage::RecordView& record) {
        if (!json->empty()) return;
        const EventView view{.topic = topic.name,
                             .topic_id = topic.id.value(),
                             .partition = partition.value(),
                             .offset = offset.value(),
                             .append_time_us = append_time_us,
                             .epoch = static_cast<uint32_t>(header.leader_epoch),
                             .status = status,
                             .violation = violation,
                             .redactor = redactor,
                             .record = record};
        JsonLine line(json);
        event_fields(&line, view);
        line.end();
        json->pop_back();  // the line's end
        if (id != nullptr) *id = event_id(view, storage::read_attributes(record));
      });
}

namespace {

using native::EventSearch;
using SearchPtr = std::shared_ptr<EventSearch>;

// Pages of a search for one id before it is given up; each looks at up to 1,024 chunks.
constexpr int kPagesPerEvent = 64;

// The page, written: its events, and where the next one goes on.
struct Page {
  JsonRows events;
  std::string cursor;
};

core::Error take_page(EventSearch* search, const Redactor* redactor, Page* page) {
  const core::Error error = native::take_newest(
      search, [page, redactor](const native::SearchPart& part, const core::FoundEvent& found,
                               native::Taken* taken) {
        std::string json;
        core::Error wrong =
            event_json(*part.topic, part.partition, found.offset, found.append_time_us, found.event,
                       &json, nullptr, part.status(), redactor, found.violation);
        if (wrong) return wrong;
        if (!page->events.empty() &&
            page->events.size_bytes() + json.size() > limits::kHttpPageBytes) {
          *taken = native::Taken::full;
        } else {
          page->events.add_object(json);
        }
        return wrong;
      });
  page->cursor = native::cursor_of(*search);
  return error;
}

void search(const CallPtr& call, const SearchPtr& search,
            std::function<void(const Page& page)> go_on) {
  std::vector<core::RequestPtr> questions;
  for (const auto& part : search->parts) {
    questions.push_back(native::make_request(*search, part, call->tenant()));
  }
  call->admin().ask(
      std::move(questions), [call, search, go_on](std::vector<core::RequestPtr> answers) {
        for (size_t i = 0; i < answers.size(); ++i) {
          native::take_answer(std::move(answers[i]), &search->parts[i]);
        }
        Page page;
        if (core::Error error =
                take_page(search.get(), call->admin().options().redactor.get(), &page)) {
          return call->refuse(error);
        }
        go_on(page);
      });
}

void start_search(const CallPtr& call, const core::TopicPtr& topic,
                  const proto::ListEvents& request, std::function<void(const Page& page)> go_on,
                  core::GroupPtr group = nullptr) {
  auto made = std::make_shared<EventSearch>();
  made->group = std::move(group);
  if (core::Error error = native::from_proto(request, {topic}, made.get())) {
    return call->refuse(error);
  }
  search(call, made, std::move(go_on));
}

// Page after page until there is one with the event.
void find_by_id(const CallPtr& call, const core::TopicPtr& topic, const std::string& cursor,
                int pages_left) {
  proto::ListEvents request;
  request.set_id(call->parameter("id"));
  request.set_page_size(1);
  request.set_cursor(cursor);
  start_search(call, topic, request, [call, topic, pages_left](const Page& page) {
    if (!page.events.empty()) {
      const std::string rows = page.events.text();
      return call->reply(200, rows.substr(1, rows.size() - 2));
    }
    if (page.cursor.empty()) {
      return call->fail({core::ErrorCode::unknown_event, "'" + call->parameter("id") + "'"});
    }
    if (pages_left == 0) {
      return call->fail({core::ErrorCode::timed_out, "search with from and to instead"});
    }
    find_by_id(call, topic, page.cursor, pages_left - 1);
  });
}

struct ComputedId {
  uint32_t topic = 0;
  uint32_t partition = 0;
  int64_t offset = 0;
};

// tTOPIC-PARTITION-OFFSET[@EPOCH]: the id of an event that was published without one.
std::optional<ComputedId> parse_computed_id(std::string_view id) {
  if (!id.starts_with('t')) return std::nullopt;
  ComputedId place;
  const char* at = id.data() + 1;
  const char* const end = id.data() + id.size();
  const auto number = [&](auto* value, char separator) {
    const auto parsed = std::from_chars(at, end, *value);
    if (parsed.ec != std::errc()) return false;
    at = parsed.ptr;
    if (at == end) return separator == '@';
    return *at++ == separator;
  };
  if (!number(&place.topic, '-') || !number(&place.partition, '-')) return std::nullopt;
  if (!number(&place.offset, '@') || place.offset < 0) return std::nullopt;
  return place;
}

// The event at the place that a computed id names, if it has that id: the newest one before the
// next offset. Otherwise somebody may have given this id to an event.
void find_at(const CallPtr& call, const core::TopicPtr& topic, const ComputedId& place) {
  EventSearch one;
  if (core::Error error = native::from_proto({}, {topic}, &one)) return call->refuse(error);
  one.page_size = 1;
  auto& part = one.parts[place.partition];
  part.before = Offset(place.offset + 1);
  call->ask<core::FindEvents>(
      native::make_question(one, part, call->tenant()), [call, topic](core::FindEvents& answer) {
        std::string json;
        std::string id;
        if (!answer.events.empty()) {
          const auto& found = answer.events.front();
          const core::Error error =
              event_json(*topic, answer.partition, found.offset, found.append_time_us, found.event,
                         &json, &id, {}, call->admin().options().redactor.get(), found.violation);
          if (error) return call->fail(error);
        }
        if (id == call->parameter("id")) return call->reply(200, std::move(json));
        find_by_id(call, topic, "", kPagesPerEvent);
      });
}

core::Error read_query(const CallPtr& call, proto::ListEvents* request) {
  Query query(call->request());
  for (auto& type : query.texts("type")) request->add_types(std::move(type));
  for (auto& condition : query.texts("where")) request->add_conditions(std::move(condition));
  request->set_id(query.text("id").value_or(""));
  request->set_correlation_id(query.text("correlation_id").value_or(""));
  if (const auto key = query.text("key")) request->set_key(*key);
  request->set_from_us(query.time_us("from"));
  request->set_to_us(query.time_us("to"));
  request->set_page_size(query.limit());
  request->set_cursor(query.text("cursor").value_or(""));
  request->set_group(query.text("group").value_or(""));
  for (auto& status : query.texts("status")) request->add_statuses(std::move(status));
  return query.finish();
}

void answer_page(const CallPtr& call, const Page& page) {
  std::optional<std::string> next;
  if (!page.cursor.empty()) next = page.cursor;
  std::string body;
  JsonLine line(&body);
  line.raw("events", page.events.text()).text_or_null("next_cursor", next);
  line.end();
  call->reply(200, std::move(body));
}

}  // namespace

void get_events(const CallPtr& call) {
  proto::ListEvents request;
  if (const core::Error error = read_query(call, &request)) return call->fail(error);
  call->name_fields({{"conditions[", "where["},
                     {"to_us", "to"},
                     {"patterns", "type"},
                     {"statuses[", "status["},
                     {"statuses", "status"}});
  call->with_topic(call->parameter("topic"), [call, request](const core::TopicPtr& topic) {
    const auto answer = [call](const Page& page) { answer_page(call, page); };
    if (request.group().empty()) return start_search(call, topic, request, answer);
    call->with_acked_group(request.group(),
                           [call, request, topic, answer](const auto& group, const auto& of) {
                             if (of->id == topic->id)
                               return start_search(call, topic, request, answer, group);
                             call->fail({core::ErrorCode::group_topic_mismatch,
                                         "'" + group->name + "' is of '" + of->name + "'"});
                           });
  });
}

void get_event(const CallPtr& call) {
  if (const core::Error error = Query(call->request()).finish()) return call->fail(error);
  call->with_topic(call->parameter("topic"), [call](const core::TopicPtr& topic) {
    const auto place = parse_computed_id(call->parameter("id"));
    if (place && place->topic == topic->id.value() && place->partition < topic->partitions &&
        place->offset < INT64_MAX) {
      return find_at(call, topic, *place);
    }
    find_by_id(call, topic, "", kPagesPerEvent);
  });
}

}  // namespace headrace::admin
