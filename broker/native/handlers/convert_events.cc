#include "broker/native/handlers/convert_events.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "broker/core/cast.h"
#include "broker/limits.h"
#include "broker/native/handlers/convert.h"

namespace headrace::native {
namespace {

using core::ErrorCode;
using Places = std::map<std::pair<uint32_t, uint32_t>, int64_t>;

// TOPIC.PARTITION.BEFORE, separated by commas.
bool parse_cursor(std::string_view text, Places* places) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    uint32_t topic = 0;
    uint32_t partition = 0;
    int64_t before = 0;
    const char* end = one.data() + one.size();
    auto at = std::from_chars(one.data(), end, topic);
    if (at.ec != std::errc() || at.ptr == end || *at.ptr != '.') return false;
    at = std::from_chars(at.ptr + 1, end, partition);
    if (at.ec != std::errc() || at.ptr == end || *at.ptr != '.') return false;
    at = std::from_chars(at.ptr + 1, end, before);
    if (at.ec != std::errc() || at.ptr != end || before < 0) return false;
    (*places)[{topic, partition}] = before;
  }
  return true;
}

core::Error query_of(const proto::ListEvents& message, core::EventQuery* query) {
  core::FilterSpec spec;
  spec.patterns = {message.types().begin(), message.types().end()};
  for (int i = 0; i < message.conditions_size(); ++i) {
    core::Condition condition;
    if (core::Error error = core::parse_condition(message.conditions(i), &condition)) {
      error.detail = "conditions[" + std::to_string(i) + "]: " + error.detail;
      return error;
    }
    spec.conditions.push_back(std::move(condition));
  }
  if (core::Error error = core::Filter::compile(spec, &query->filter)) return error;
  query->id = message.id();
  query->correlation_id = message.correlation_id();
  if (message.has_key()) query->key = message.key();
  query->from_us = message.from_us();
  if (message.to_us() != 0) query->to_us = message.to_us();
  if (query->from_us < 0 || query->to_us <= query->from_us) {
    return {ErrorCode::invalid_request, "to_us: not after from_us"};
  }
  return {};
}

core::Error statuses_of(const proto::ListEvents& message, EventSearch* search) {
  if (message.statuses_size() > 0 && search->group == nullptr) {
    return {ErrorCode::invalid_request, "statuses: name the group whose they are"};
  }
  for (int i = 0; i < message.statuses_size(); ++i) {
    const auto status = core::event_status(message.statuses(i));
    if (!status) {
      return {ErrorCode::invalid_request, "statuses[" + std::to_string(i) + "]: there is no '" +
                                              message.statuses(i) + "', but " +
                                              core::event_statuses()};
    }
    search->wanted.push_back(*status);
  }
  return {};
}

SearchPart* newest_of(std::vector<SearchPart>& parts) {
  SearchPart* newest = nullptr;
  for (SearchPart& part : parts) {
    if (part.used == part.answer->events.size()) continue;
    if (newest == nullptr || part.answer->events[part.used].append_time_us >
                                 newest->answer->events[newest->used].append_time_us) {
      newest = &part;
    }
  }
  return newest;
}

}  // namespace

Offset SearchPart::next() const {
  const auto& events = answer->events;
  if (used < events.size()) return used == 0 ? before : events[used - 1].offset;
  return answer->more ? answer->searched_to : Offset(0);
}

std::string_view SearchPart::status() const {
  return statuses.empty() ? std::string_view() : core::to_string(statuses[used]);
}

core::Error from_proto(const proto::ListEvents& message, const std::vector<core::TopicPtr>& topics,
                       EventSearch* search) {
  auto query = std::make_shared<core::EventQuery>();
  if (core::Error error = query_of(message, query.get())) return error;
  search->query = std::move(query);
  if (core::Error error = statuses_of(message, search)) return error;
  if (core::Error error = from_proto_page_size(message.page_size(), &search->page_size)) {
    return error;
  }
  Places places;
  if (!parse_cursor(message.cursor(), &places)) {
    return {ErrorCode::invalid_request, "cursor: none that this broker has given out"};
  }
  for (const core::TopicPtr& topic : topics) {
    for (uint32_t i = 0; i < topic->partitions; ++i) {
      const auto place = places.find({topic->id.value(), i});
      const Offset before(place != places.end() ? place->second : INT64_MAX);
      search->parts.push_back({topic, PartitionId(i), before, nullptr, {}, 0});
    }
  }
  // One topic may be searched whatever it has.
  if (topics.size() == 1 || search->parts.size() <= limits::kSearchPartitions) return {};
  return {ErrorCode::invalid_request, "topic: name one, there are " +
                                          std::to_string(search->parts.size()) +
                                          " partitions and a search goes through at most " +
                                          std::to_string(limits::kSearchPartitions)};
}

std::unique_ptr<core::FindEvents> make_question(const EventSearch& search, const SearchPart& part,
                                                core::TenantContext tenant) {
  auto request = std::make_unique<core::FindEvents>(tenant);
  request->topic = part.topic;
  request->shard = part.topic->shard;
  request->partition = part.partition;
  request->query = search.query;
  request->before = part.before;
  request->page_size = search.page_size;
  return request;
}

core::RequestPtr make_request(const EventSearch& search, const SearchPart& part,
                              core::TenantContext tenant) {
  auto find = make_question(search, part, tenant);
  if (search.group == nullptr) return find;
  auto request = std::make_unique<core::SearchGroup>(tenant);
  request->topic = part.topic;
  request->shard = part.topic->shard;
  request->group = search.group;
  request->partition = part.partition;
  request->wanted = search.wanted;
  request->find = std::move(find);
  return request;
}

void take_answer(core::RequestPtr answer, SearchPart* part) {
  if (answer->kind == core::Request::Kind::find_events) {
    part->answer = core::cast<core::FindEvents>(std::move(answer));
    return;
  }
  auto& searched = core::as<core::SearchGroup>(*answer);
  part->answer = std::move(searched.find);
  part->statuses = std::move(searched.statuses);
  part->answer->error = searched.error;
}

core::Error take_newest(EventSearch* search, const TakeEvent& take) {
  for (const SearchPart& part : search->parts) {
    if (part.answer->error) return part.answer->error;
  }
  for (uint32_t taken = 0; taken < search->page_size; ++taken) {
    SearchPart* newest = newest_of(search->parts);
    if (newest == nullptr) break;
    Taken said = Taken::yes;
    if (core::Error error = take(*newest, newest->answer->events[newest->used], &said)) {
      return error;
    }
    if (said == Taken::full) break;
    ++newest->used;
  }
  return {};
}

std::string cursor_of(const EventSearch& search) {
  std::string text;
  bool more = false;
  for (const SearchPart& part : search.parts) {
    more = more || part.next() > Offset(0);
    if (!text.empty()) text += ',';
    text += std::to_string(part.topic->id.value()) + "." + std::to_string(part.partition.value()) +
            "." + std::to_string(part.next().value());
  }
  return more ? text : "";
}

}  // namespace headrace::native
