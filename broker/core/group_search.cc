#include "broker/core/group_search.h"

#include <algorithm>

#include "broker/core/acked_group.h"
#include "broker/core/question_step.h"
#include "broker/limits.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

template <class Rows>
using SearchStep = QuestionStep<GroupSearch, GroupSearch::SearchPtr, Rows>;

// In most of a log: looking for them is walking it.
bool is_common(EventStatus status) {
  switch (status) {
    case EventStatus::not_matched:
    case EventStatus::before_start:
    case EventStatus::waiting:
    case EventStatus::settled:
    case EventStatus::unknown:
      return true;
    default:
      return false;
  }
}

// The last part of keys whose order is that of offsets.
std::optional<Offset> offset_of_origin(std::string_view key) {
  if (key.size() < sizeof(uint64_t)) return std::nullopt;
  return Offset(load_be<int64_t>(
      reinterpret_cast<const std::byte*>(key.data() + key.size() - sizeof(uint64_t))));
}

}  // namespace

struct GroupSearch::Search {
  // Rows that say which offsets have a status.
  struct Rows {
    EventStatus status;
    storage::Place place;
    storage::Key from;
    storage::Key to;
    bool by_offset = true;  // else they are in the order of due times, and must all be read
  };

  std::unique_ptr<SearchGroup> request;
  Offset before;
  std::vector<Rows> to_list;
  std::vector<Offset> only;  // of rare statuses
  bool lists = false;
  Offset listed_to{0};  // what is below was not listed
  // What was found and is being looked up.
  std::vector<FoundEvent> found;
  std::vector<std::optional<EventStatus>> statuses;
  bool more = false;
  Offset searched_to;
  std::vector<FoundEvent> kept;
  size_t rounds = 0;
  // Rows of parked events, read once for all rounds unless something was written meanwhile.
  std::vector<Offset> parked;            // ascending
  std::optional<uint64_t> parked_as_of;  // they were read after this set, the group's last
  bool parked_more = false;              // there are further ones, which were not read

  const Cursor& cursor(const AckedGroup& group) const {
    return group.live_cursor(request->partition);
  }
  bool wants(EventStatus status) const {
    const auto& wanted = request->wanted;
    const auto has = [&](EventStatus one) {
      return std::find(wanted.begin(), wanted.end(), one) != wanted.end();
    };
    if (wanted.empty() || has(status)) return true;
    // It is one of the two.
    return status == EventStatus::unknown && (has(EventStatus::settled) || has(EventStatus::retry));
  }
};

GroupSearch::GroupSearch(AckedGroup* group, Ctx* ctx)
    : group_(group), ctx_(ctx), alive_(std::make_shared<GroupSearch*>(this)) {}

GroupSearch::~GroupSearch() = default;

void GroupSearch::fail(Ctx* ctx, SearchPtr search, ErrorCode code) {
  search->request->error = Error(code, "group " + search->request->group->name);
  ctx->reply(std::move(search->request));
}

// Rows cannot be read before the set that may hold them is durable.
void GroupSearch::after_commit(SearchPtr search, Next next) {
  if (group_->touched_sequence <= ctx_->committed_sequence())
    return (this->*next)(std::move(search));
  if (waiting_.size() >= limits::kExplainsWaiting) {
    return fail(ctx_, std::move(search), ErrorCode::busy);
  }
  waiting_.push_back({group_->touched_sequence, std::move(search), next});
}

void GroupSearch::on_committed() {
  while (!waiting_.empty() && waiting_.front().sequence <= ctx_->committed_sequence()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    (this->*next.next)(std::move(next.search));
  }
}

void GroupSearch::close(const Error& error) {
  alive_.reset();
  for (Waiting& waiting : waiting_) fail(ctx_, std::move(waiting.search), error.code);
  waiting_.clear();
  for (auto& [ticket, search] : finding_) fail(ctx_, std::move(search), error.code);
  finding_.clear();
}

void GroupSearch::begin(std::unique_ptr<SearchGroup> request) {
  auto search = std::make_unique<Search>();
  search->request = std::move(request);
  if (search->request->partition.value() >= group_->topic()->partitions) {
    return fail(ctx_, std::move(search), ErrorCode::unknown_partition);
  }
  if (finding_.size() >= limits::kExplainsWaiting) {
    return fail(ctx_, std::move(search), ErrorCode::busy);
  }
  search->before = search->request->find->before;
  const auto& wanted = search->request->wanted;
  if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), is_common)) {
    return after_commit(std::move(search), &GroupSearch::list);
  }
  const Cursor& cursor = search->cursor(*group_);
  const bool above = search->wants(EventStatus::waiting) || search->wants(EventStatus::not_matched);
  if (!above && cursor.settled_ahead() == 0) {
    search->before = std::min(search->before, cursor.next());  // all above it wait, or never will
  }
  find(std::move(search));
}

// ---- which offsets have one of the rare statuses

void Cursor::list_in_memory(EventStatus status, std::vector<Offset>* to) const {
  const auto add = [to](Offset first, Offset last) {
    for (Offset at = first; at <= last; at = at + 1) to->push_back(at);
  };
  const auto add_entry = [to](const RetryEntry& entry) { to->push_back(entry.offset); };
  if (status == EventStatus::in_flight) {
    held_.each([&](Offset first, const HeldRange& range) { add(first, range.last); });
  } else if (status == EventStatus::given_back) {
    for (const auto& [first, range] : again_) add(first, range.last);
  } else if (status == EventStatus::dying) {
    for (const Dying& dying : dying_) add(dying.offset, dying.end + -1);
  } else if (status == EventStatus::retry) {
    retries_.each(add_entry);
  } else if (status == EventStatus::blocked) {
    blocked_.rows().each(add_entry);
  } else if (status == EventStatus::behind_key && keys_ != nullptr) {
    keys_->each_waiting([to](Offset offset) { to->push_back(offset); });
  }
}

void GroupSearch::list(SearchPtr search) {
  search->lists = true;
  const Cursor& cursor = search->cursor(*group_);
  const PartitionKey partition = group_->topic()->partition(search->request->partition);
  const GroupId group = group_->record()->id;
  const bool by_key = group_->options().ordering == GroupOptions::Ordering::key;
  const auto parked_key = [&](int64_t due_us, Offset offset) {
    return storage::retry_key(partition, group, LaneId(0), due_us, offset, 0);
  };
  const storage::Place parked{storage::Table::retry, Month(0), partition.tenant};
  for (const EventStatus status : search->request->wanted) {
    cursor.list_in_memory(status, &search->only);
    if (status == EventStatus::dead) {
      search->to_list.push_back(
          {status, group_->dead_letters().place(),
           storage::dlq_origin_key(partition, group, LaneId(0), Offset(0)),
           storage::dlq_origin_key(partition, group, LaneId(0), search->before), true});
    } else if (status == EventStatus::blocked && cursor.blocked() > 0) {
      search->to_list.push_back({status, parked, parked_key(RetryEntry::kNever, Offset(0)),
                                 parked_key(RetryEntry::kNever, search->before), true});
    } else if (status == EventStatus::behind_key && by_key) {
      search->to_list.push_back({status, parked, parked_key(RetryEntry::kBehindKey, Offset(0)),
                                 parked_key(RetryEntry::kBehindKey, search->before), true});
    } else if (const auto unread = cursor.unread_from(); status == EventStatus::retry && unread) {
      search->to_list.push_back(
          {status, parked, *unread, parked_key(RetryEntry::kBehindKey, Offset(0)), false});
    }
  }
  list_rows(std::move(search));
}

void GroupSearch::list_rows(SearchPtr search) {
  if (search->to_list.empty()) return find(std::move(search));
  const Search::Rows rows = search->to_list.back();
  auto* scan =
      new SearchStep<storage::Scan>(std::move(search), this, ctx_, &GroupSearch::on_listed);
  scan->place = rows.place;
  scan->from = rows.from;
  scan->to = rows.to;
  scan->reverse = rows.by_offset;
  scan->keys_only = true;
  scan->max_rows = rows.by_offset ? limits::kSearchOffsets : limits::kExplainRows;
  ctx_->store().scan(scan);
}

void GroupSearch::on_listed(SearchPtr search, storage::Scan& scan) {
  const Search::Rows rows = search->to_list.back();
  search->to_list.pop_back();
  if (scan.more && !rows.by_offset) {
    // More than are looked through: then they are not rare, and the log is walked.
    search->lists = false;
    search->only.clear();
    return find(std::move(search));
  }
  std::optional<Offset> last;
  for (const auto& row : scan.rows) {
    if (rows.status == EventStatus::dead) {
      last = offset_of_origin(row.key.view());
    } else if (const auto key = storage::parse_retry_key(row.key.view())) {
      last = key->offset;
    }
    if (last) search->only.push_back(*last);
  }
  if (scan.more && last) search->listed_to = std::max(search->listed_to, *last);
  list_rows(std::move(search));
}

// ---- the events

void GroupSearch::find(SearchPtr search) {
  auto& only = search->only;
  if (search->lists) {
    const auto below = [&](Offset offset) { return offset < search->listed_to; };
    only.erase(std::remove_if(only.begin(), only.end(), below), only.end());
    std::sort(only.begin(), only.end());
    only.erase(std::unique(only.begin(), only.end()), only.end());
  }
  const FindEvents& asked = *search->request->find;
  auto question = std::make_unique<FindEvents>(asked.tenant);
  question->topic = asked.topic;
  question->shard = asked.shard;
  question->partition = asked.partition;
  question->query = asked.query;
  question->before = search->before;
  question->goes_on = search->rounds > 0;
  question->page_size = (question->goes_on ? 2 : 1) * asked.page_size;  // part of it is left out
  if (search->lists) question->only = std::make_shared<const std::vector<Offset>>(only);
  question->origin = group_->fetch_origin();
  question->ticket = ++tickets_;
  finding_[tickets_] = std::move(search);
  ctx_->submit(std::move(question));
}

void GroupSearch::on_found(FindEvents& found) {
  const auto at = finding_.find(found.ticket);
  if (at == finding_.end()) return;
  SearchPtr search = std::move(at->second);
  finding_.erase(at);
  if (found.error) {
    search->request->error = found.error;
    return ctx_->reply(std::move(search->request));
  }
  FindEvents& told = *search->request->find;
  told.log_start = found.log_start;
  told.visible_end = found.visible_end;
  search->more = found.more;
  search->searched_to = found.searched_to;
  if (search->lists && !found.more && search->listed_to > found.log_start) {
    search->more = true;  // further offsets are listed for the next page
    search->searched_to = search->listed_to;
  }
  search->found = std::move(found.events);
  look_up(std::move(search));
}

// ---- their statuses: memory, then rows

void GroupSearch::look_up(SearchPtr search) {
  search->statuses.clear();
  bool rows = false;
  for (const FoundEvent& event : search->found) {
    const auto place = search->cursor(*group_).place_of(event.offset);
    search->statuses.push_back(place ? std::optional(place->status) : std::nullopt);
    rows = rows || !place;
  }
  if (!rows) return keep(std::move(search));
  after_commit(std::move(search), &GroupSearch::look_for_rows);
}

// Dead letters, and what waits behind a parked event of its key: exact keys, in this order.
void GroupSearch::look_for_rows(SearchPtr search) {
  const PartitionKey partition = group_->topic()->partition(search->request->partition);
  const GroupId group = group_->record()->id;
  const bool by_key = group_->options().ordering == GroupOptions::Ordering::key;
  const storage::Place parked{storage::Table::retry, Month(0), partition.tenant};
  std::vector<storage::Read::Item> items;
  for (size_t i = 0; i < search->found.size(); ++i) {
    if (search->statuses[i]) continue;
    const Offset offset = search->found[i].offset;
    items.push_back({group_->dead_letters().place(),
                     storage::dlq_origin_key(partition, group, LaneId(0), offset),
                     {},
                     false});
    if (!by_key) continue;
    items.push_back(
        {parked,
         storage::retry_key(partition, group, LaneId(0), RetryEntry::kBehindKey, offset, 1),
         {},
         false});
  }
  auto* read = new SearchStep<storage::Read>(std::move(search), this, ctx_, &GroupSearch::on_rows);
  read->items = std::move(items);
  ctx_->store().read(read);
}

void GroupSearch::on_rows(SearchPtr search, storage::Read& read) {
  const bool by_key = group_->options().ordering == GroupOptions::Ordering::key;
  size_t item = 0;
  for (auto& status : search->statuses) {
    if (status) continue;
    if (read.items[item++].found) status = EventStatus::dead;
    if (by_key && read.items[item++].found && !status) status = EventStatus::behind_key;
  }
  look_for_blocked(std::move(search));
}

namespace {

// The lowest and highest offset without a status yet.
template <class Search>
std::optional<std::pair<Offset, Offset>> open_range(const Search& search) {
  std::optional<std::pair<Offset, Offset>> range;
  for (size_t i = 0; i < search.found.size(); ++i) {
    if (search.statuses[i]) continue;
    const Offset offset = search.found[i].offset;
    if (!range) range = {offset, offset};
    range->first = std::min(range->first, offset);
    range->second = std::max(range->second, offset);
  }
  return range;
}

std::vector<Offset> offsets_of(const storage::Scan& scan) {
  std::vector<Offset> offsets;
  for (const auto& row : scan.rows) {
    if (const auto key = storage::parse_retry_key(row.key.view())) offsets.push_back(key->offset);
  }
  std::sort(offsets.begin(), offsets.end());
  return offsets;
}

// Events at these offsets have this status, if they have none yet.
template <class Search>
void take_parked(Search* search, const std::vector<Offset>& parked, EventStatus status) {
  for (size_t i = 0; i < search->found.size(); ++i) {
    if (search->statuses[i]) continue;
    if (std::binary_search(parked.begin(), parked.end(), search->found[i].offset)) {
      search->statuses[i] = status;
    }
  }
}

}  // namespace

void GroupSearch::look_for_blocked(SearchPtr search) {
  const auto range = open_range(*search);
  if (!range) return keep(std::move(search));
  if (search->cursor(*group_).blocked() == 0) return look_for_parked(std::move(search));
  const PartitionKey partition = group_->topic()->partition(search->request->partition);
  const auto key = [&](Offset offset) {
    return storage::retry_key(partition, group_->record()->id, LaneId(0), RetryEntry::kNever,
                              offset, 0);
  };
  auto* scan =
      new SearchStep<storage::Scan>(std::move(search), this, ctx_, &GroupSearch::on_blocked);
  scan->place = {storage::Table::retry, Month(0), partition.tenant};
  scan->from = key(range->first);
  scan->to = key(range->second + 1);
  scan->reverse = true;
  scan->keys_only = true;
  scan->max_rows = limits::kExplainRows;
  ctx_->store().scan(scan);
}

void GroupSearch::on_blocked(SearchPtr search, storage::Scan& scan) {
  take_parked(search.get(), offsets_of(scan), EventStatus::blocked);
  const auto last =
      scan.rows.empty() ? std::nullopt : storage::parse_retry_key(scan.rows.back().key.view());
  if (scan.more && last) {  // what is below was not looked at
    for (size_t i = 0; i < search->found.size(); ++i) {
      if (!search->statuses[i] && search->found[i].offset < last->offset) {
        search->statuses[i] = EventStatus::unknown;
      }
    }
  }
  look_for_parked(std::move(search));
}

void GroupSearch::look_for_parked(SearchPtr search) {
  const auto unread = search->cursor(*group_).unread_from();
  if (!unread || !open_range(*search)) return keep(std::move(search));
  if (search->parked_as_of == group_->touched_sequence) return take_parked_rows(std::move(search));
  // What is on its way to the store may not be seen yet.
  const bool all_seen = group_->touched_sequence <= ctx_->committed_sequence();
  search->parked_as_of = all_seen ? std::optional(group_->touched_sequence) : std::nullopt;
  const PartitionKey partition = group_->topic()->partition(search->request->partition);
  auto* scan =
      new SearchStep<storage::Scan>(std::move(search), this, ctx_, &GroupSearch::on_parked);
  scan->place = {storage::Table::retry, Month(0), partition.tenant};
  scan->from = *unread;
  scan->to = storage::retry_key(partition, group_->record()->id, LaneId(0), RetryEntry::kBehindKey,
                                Offset(0), 0);
  scan->keys_only = true;
  scan->max_rows = limits::kExplainRows;
  ctx_->store().scan(scan);
}

void GroupSearch::on_parked(SearchPtr search, storage::Scan& scan) {
  search->parked = offsets_of(scan);
  search->parked_more = scan.more;
  take_parked_rows(std::move(search));
}

void GroupSearch::take_parked_rows(SearchPtr search) {
  take_parked(search.get(), search->parked, EventStatus::retry);
  if (search->parked_more) {
    for (auto& status : search->statuses) {
      if (!status) status = EventStatus::unknown;
    }
  }
  keep(std::move(search));
}

// ---- the page

void GroupSearch::keep(SearchPtr search) {
  const Cursor& cursor = search->cursor(*group_);
  const uint32_t page_size = search->request->find->page_size;
  for (size_t i = 0; i < search->found.size(); ++i) {
    FoundEvent& event = search->found[i];
    EventStatus status = search->statuses[i].value_or(EventStatus::settled);
    if (status == EventStatus::settled || status == EventStatus::unknown) {
      // Rows may have come into memory while others were read.
      if (const auto place = cursor.place_of(event.offset)) status = place->status;
    }
    const auto verdict = check_event(*group_->filter(), event.event);
    status = group_->status_told(status, event.offset, event.append_time_us,
                                 verdict && group_->passes_over(*verdict));
    if (!search->wants(status)) continue;
    search->kept.push_back(std::move(event));
    search->request->statuses.push_back(status);
    if (search->kept.size() == page_size) {
      const bool last = i + 1 == search->found.size();
      search->searched_to = search->kept.back().offset;
      return answer(std::move(search), search->more || !last);
    }
  }
  // What waits lies above what was handed out.
  const auto& wanted = search->request->wanted;
  const bool only_waiting = wanted.size() == 1 && wanted.front() == EventStatus::waiting;
  if (only_waiting && search->searched_to <= cursor.floor()) search->more = false;
  if (!search->more || ++search->rounds == limits::kSearchRounds) {
    const bool more = search->more;
    return answer(std::move(search), more);
  }
  search->before = search->searched_to;
  if (!search->lists) return find(std::move(search));
  search->only.clear();
  search->listed_to = Offset(0);
  after_commit(std::move(search), &GroupSearch::list);
}

void GroupSearch::answer(SearchPtr search, bool more) {
  FindEvents& told = *search->request->find;
  told.events = std::move(search->kept);
  told.searched_to = search->searched_to;
  told.more = more && search->searched_to > told.log_start;
  ctx_->reply(std::move(search->request));
}

}  // namespace headrace::core
