// Events of the history, one after the other, and the one with an id.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "client/admin.h"
#include "client/cli/arguments.h"
#include "client/received.h"

namespace headrace::cli {

// Where an event is. Topics are known by name and id.
struct EventAt {
  proto::Topic topic;
  uint32_t partition = 0;
  int64_t offset = 0;
};

// tTOPIC-PARTITION-OFFSET[@EPOCH]: the id of an event that was published without one.
struct ComputedId {
  uint32_t topic = 0;
  uint32_t partition = 0;
  int64_t offset = 0;
};
std::optional<ComputedId> parse_computed_id(std::string_view id);

// The event's views live during the call; the last one is what a search told of it. An
// error ends the search; it is what the search answers.
using TakeEvent = std::function<client::Error(const proto::Topic&, const client::ReceivedEvent&,
                                              const proto::FoundEvent&)>;

// Newest first, until `count` are taken; how many there were.
client::Result<uint64_t> search_events(client::Client& client, proto::ListEvents request,
                                       uint64_t count, const TakeEvent& take);
// The event with this id, as it was published or computed; false: there is none (any more).
client::Result<bool> find_event(client::Client& client, const std::string& id,
                                const std::string& topic, const TakeEvent& take);
// Where the event is or, by its computed id, was; nullopt: no event has the id.
client::Result<std::optional<EventAt>> locate_event(client::Client& client, const std::string& id,
                                                    const std::string& topic);

}  // namespace headrace::cli
