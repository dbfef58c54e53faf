// A search through the history, between its message and the questions to the partitions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/api_explain.h"
#include "headrace.pb.h"

namespace headrace::native {

// One partition that is searched.
struct SearchPart {
  core::TopicPtr topic;
  PartitionId partition;
  Offset before{INT64_MAX};
  std::unique_ptr<core::FindEvents> answer;
  std::vector<core::EventStatus> statuses;  // of its events in the group; none was asked for: empty
  size_t used = 0;                          // of its events

  // Where its next page goes on; 0: there is nothing more.
  Offset next() const;
  // Of the event that is taken now; empty: no group was asked for.
  std::string_view status() const;
};

struct EventSearch {
  core::EventQueryPtr query;
  core::GroupPtr group;  // nullptr: whatever groups make of them; set before from_proto
  std::vector<core::EventStatus> wanted;
  uint32_t page_size = 0;
  std::vector<SearchPart> parts;
};

// `topics` are those to search. invalid_request names the field.
core::Error from_proto(const proto::ListEvents& message, const std::vector<core::TopicPtr>& topics,
                       EventSearch* search);
std::unique_ptr<core::FindEvents> make_question(const EventSearch& search, const SearchPart& part,
                                                core::TenantContext tenant);

// The same, to the group if there is one; and its answer.
core::RequestPtr make_request(const EventSearch& search, const SearchPart& part,
                              core::TenantContext tenant);
void take_answer(core::RequestPtr answer, SearchPart* part);

// Once every part has its answer: the newest events of all parts, until the page or the taker is
// full. The error of the first part that has one, or of the taker.
enum class Taken : uint8_t { yes, full };
using TakeEvent =
    std::function<core::Error(const SearchPart& part, const core::FoundEvent& event, Taken* taken)>;
core::Error take_newest(EventSearch* search, const TakeEvent& take);
// Where the next page goes on; empty: there is nothing more.
std::string cursor_of(const EventSearch& search);

}  // namespace headrace::native
