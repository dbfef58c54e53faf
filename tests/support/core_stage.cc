#include "tests/support/core_stage.h"

#include "broker/core/api_access.h"
#include "storage/month.h"
#include "tests/support/acked_text.h"
#include "tests/support/prebuilt.h"
#include "tests/support/schema_text.h"

namespace headrace::test {
namespace {

// Events of one publish and what their views point to.
struct Values {
  std::vector<std::string> values;
  std::vector<std::string> ids;   // of each value; empty: none
  std::vector<std::string> keys;  // likewise
  std::string type;
  std::string version;  // of the schema; empty: not stated
};

Durability parse_durability(const std::string& word) {
  if (word == "durable") return Durability::durable;
  if (word == "written") return Durability::written;
  HR_CHECK(word == "memory");
  return Durability::memory;
}

std::string to_text(const std::vector<core::AssignedPartition>& assigned) {
  std::string text = "[";
  for (const auto& one : assigned) {
    if (text.size() > 1) text += " ";
    text += std::to_string(one.partition.value()) + "@" + std::to_string(one.committed.value());
  }
  return text + "]";
}

std::string values_of(const core::Fetch& fetch) {
  std::string text;
  for (const auto& batch : fetch.batches) {
    const auto header = storage::read_header(batch.bytes.span());
    HR_CHECK(header.has_value());
    std::string scratch;
    std::span<const std::byte> records;
    const auto error =
        storage::records_of(batch.bytes.span(), *header, &scratch, 1u << 20, &records);
    HR_CHECK(error == storage::BatchError::ok);
    storage::RecordReader reader(records, *header);
    storage::RecordView record;
    while (reader.next(&record)) {
      text += " " + std::to_string(header->base_offset + record.offset_delta) + "=" +
              std::string(record.value.value_or("null"));
    }
  }
  return text;
}

std::string audit_text(const core::ReadAudit& read) {
  std::string text = "audit";
  for (const auto& row : read.entries) {
    records::AuditEntry entry;
    HR_CHECK(entry.ParseFromString(row.bytes));
    text += "\n  " + std::to_string(row.sequence) + " " + entry.action() + " of " + entry.object() +
            " by " + entry.actor();
    if (!entry.reason().empty()) text += ", " + entry.reason();
    for (const auto& change : entry.changes()) {
      text += "; " + change.field() + " " + change.before() + " > " + change.after();
    }
  }
  return text;
}

std::string types_text(const core::ListTypes& listed) {
  std::string text = "types";
  for (const auto& row : listed.types) {
    text += "\n  " + (row.unknown ? "unknown" : "'" + row.type + "'") + " published " +
            std::to_string(row.counts.published) + " acked " + std::to_string(row.counts.acked) +
            " failed " + std::to_string(row.counts.failed) + " dead " +
            std::to_string(row.counts.dead);
    text += " p50 " + std::to_string(row.counts.durations.quantile_us(0.5) / 1000) + " ms";
  }
  return text;
}

std::string quotas_text(const core::Tenant& tenant) {
  std::string text = "quotas of " + tenant.name + ":";
  for (size_t i = 0; i < core::kQuotas; ++i) {
    if (tenant.quotas.limits[i] == 0) continue;
    text += " " + std::string(core::info(static_cast<core::Quota>(i)).name) + "=" +
            std::to_string(tenant.quotas.limits[i]);
  }
  return text + " weight=" + std::to_string(tenant.quotas.weight);
}

std::string publish_text(const core::PublishEvents& typed) {
  std::string text = "published at";
  for (const auto& item : typed.items) {
    if (item.error) text += " refused, " + item.error.message();
    if (item.error) continue;
    text += " ";
    text += item.due_us > 0 ? "nowhere as " + item.id + " due " + std::to_string(item.due_us)
                            : std::to_string(item.offset.value());
    if (item.duplicate) text += " (duplicate)";
  }
  if (typed.items.front().duplicate && typed.items.front().due_us == 0) {
    text += " of epoch " + std::to_string(typed.epoch.value());
  }
  return text;
}

std::string answer_text(core::Request& request) {
  using Kind = core::Request::Kind;
  switch (request.kind) {
    case Kind::create_topic: {
      auto& typed = core::as<core::CreateTopic>(request);
      return "created " + typed.topic->name + " as topic " +
             std::to_string(typed.topic->id.value());
    }
    case Kind::publish_events:
      return publish_text(core::as<core::PublishEvents>(request));
    case Kind::fetch: {
      auto& typed = core::as<core::Fetch>(request);
      return "fetched" + values_of(typed) + "; log " + std::to_string(typed.log_start.value()) +
             " to " + std::to_string(typed.visible_end.value());
    }
    case Kind::list_types:
      return types_text(core::as<core::ListTypes>(request));
    case Kind::read_audit:
      return audit_text(core::as<core::ReadAudit>(request));
    case Kind::set_quotas:
      return quotas_text(*core::as<core::SetQuotas>(request).changed);
    case Kind::delete_topic:
      return "deleted " + core::as<core::DeleteTopic>(request).name;
    case Kind::publish_batch: {
      auto& typed = core::as<core::PublishBatch>(request);
      return "batch published at " + std::to_string(typed.base_offset.value()) +
             (typed.duplicate ? " (duplicate)" : "");
    }
    case Kind::cancel_delayed:
      return "cancelled " + std::to_string(core::as<core::CancelDelayed>(request).cancelled);
    case Kind::list_delayed: {
      std::string text = "waiting:";
      for (const auto& row : core::as<core::ListDelayed>(request).rows) {
        text += " " + row.id + " in p" + std::to_string(row.partition.value()) + " due " +
                std::to_string(row.order.due_us);
      }
      return text;
    }
    case Kind::ensure_group:
      return "group " + core::as<core::EnsureGroup>(request).group->name;
    case Kind::join_group: {
      auto& typed = core::as<core::JoinGroup>(request);
      return "joined as " + typed.member + " generation " + std::to_string(typed.generation) +
             " has " + to_text(typed.assigned);
    }
    case Kind::heartbeat: {
      auto& typed = core::as<core::Heartbeat>(request);
      return typed.member + " generation " + std::to_string(typed.generation) + " has " +
             to_text(typed.assigned);
    }
    case Kind::leave_group:
      return core::as<core::LeaveGroup>(request).member + " left";
    case Kind::commit_offsets:
      return "committed";
    default:
      return acked_answer_text(request);
  }
}

}  // namespace

CoreStage::CoreStage() {
  mem_ = std::make_unique<storage::MemStore>(&disk_);
  boot();
}

CoreStage::~CoreStage() {
  settle();
  stop();
}

void CoreStage::boot() {
  inbox_ = std::make_unique<runtime::Inbox>(io_.get());
  wheel_ = std::make_unique<runtime::TimerWheel>(now_.mono_us);
  tail_ = std::make_unique<core::Tail>(tail_bytes_);
  catalog_ = std::make_shared<core::CatalogSnapshot>();
  make_months();
  shard_ = std::make_unique<runtime::Shard>(ShardId(0), this);
  shard_->start();
  settle();
}

void CoreStage::stop() {
  shard_.reset();
  tail_.reset();
  wheel_.reset();
  inbox_.reset();
}

void CoreStage::make_months() {
  const Month current = storage::month_of(now_.wall_us);
  if (months_.has(current)) return;
  auto& request = *month_requests_.emplace_back(std::make_unique<MakeMonth>());
  request.month = current;
  request.sink = inbox_.get();
  mem_->maintain(&request);
  months_.add(current);
}

void CoreStage::end_turn() {
  while (!inbox_->empty() || dirty_) {
    inbox_->drain();
    if (std::exchange(dirty_, false)) shard_->flush();
  }
}

void CoreStage::settle() {
  end_turn();
  while (!mem_->idle()) {
    mem_->settle();
    end_turn();
  }
}

// Reads on their way come to their end first: their objects own themselves.
void CoreStage::crash(size_t keep) {
  const size_t end = transcript_.size();
  do {
    mem_->answer_reads();
  } while (inbox_->drain() > 0);
  transcript_.resize(end);
  mem_->crash(keep);
  stop();
  mem_ = std::make_unique<storage::MemStore>(&disk_);
  months_ = runtime::MonthKeeper({});  // as the node: it knows of the month that it makes
  boot();
}

// ---- what happens goes into the transcript

void CoreStage::fail_reads(std::istringstream& words) {
  failing_.clear();
  for (std::string word; words >> word;) {
    for (size_t table = 0; table < storage::kTableCount; ++table) {
      const auto one = static_cast<storage::Table>(table);
      if (storage::to_string(one) == word) failing_.insert(one);
    }
  }
}

void CoreStage::read(storage::Read* read) {
  const auto fails = [&](const auto& item) { return failing_.count(item.place.table) > 0; };
  if (std::none_of(read->items.begin(), read->items.end(), fails)) return mem_->read(read);
  read->status = storage::Status::io_error;
  read->sink->post(read);
}

void CoreStage::scan(storage::Scan* scan) {
  if (failing_.count(scan->place.table) == 0) return mem_->scan(scan);
  scan->status = storage::Status::io_error;
  scan->sink->post(scan);
}

void CoreStage::forget_lookup_rows() {
  for (auto& [place, rows] : disk_.rows) {
    for (auto row = rows.begin(); row != rows.end();) {
      const auto name = storage::to_text(place.table, row->first.view());
      const bool forget = name.starts_with("log lookup") || name.starts_with("state lookup_span");
      row = forget ? rows.erase(row) : std::next(row);
    }
  }
}

void CoreStage::commit(storage::Commit* commit) {
  if (commit->weight != 1) transcript_ += "weight " + std::to_string(commit->weight) + ": ";
  transcript_ += commit->set.to_text();
  mem_->commit(commit);
}

void CoreStage::maintain(storage::Maintenance* work) {
  if (work->kind == storage::Maintenance::Kind::compact_range) {
    transcript_ += "compact [" + std::to_string(work->place.month.value()) + "] " +
                   storage::to_text(work->place.table, work->from.view()) + " .. " +
                   storage::to_text(work->place.table, work->to.view()) + "\n";
  }
  mem_->maintain(work);
}

void CoreStage::deliver_reply(core::RequestPtr request) {
  core::Requester* requester = request->requester;
  if (requester != nullptr) requester->on_reply(std::move(request));
}

void CoreStage::on_reply(core::RequestPtr request) {
  if (request->error) {
    transcript_ += "! " + request->error.message();
    if (request->error.retry_after_ms > 0) {
      transcript_ += ", again in " + std::to_string(request->error.retry_after_ms) + " ms";
    }
    transcript_ += "\n";
    return;
  }
  const auto joining = joining_.find(request->ticket);
  if (joining != joining_.end() && request->kind == core::Request::Kind::attach_member) {
    attached_[joining->second] = core::as<core::AttachMember>(*request).member;
  } else if (joining != joining_.end()) {
    auto& joined = core::as<core::JoinGroup>(*request);
    members_[joining->second] = joined.member;
    epochs_[joining->second] = joined.epoch;
  }
  const std::string of_schema = schema_answer_text(*request);
  transcript_ += "= " + (of_schema.empty() ? answer_text(*request) : of_schema) + "\n";
}

std::string CoreStage::take_transcript() {
  return std::exchange(transcript_, {});
}

// ---- commands

void CoreStage::run(const std::string& command) {
  std::istringstream words(command);
  std::string verb;
  words >> verb;
  std::string word;
  if (verb == "clock") {
    words >> word;
    clock(word, false);
  } else if (verb == "step") {
    words >> word >> word;
    clock(word, true);
  } else if (verb == "trust") {
    suspect_ = false;
  } else if (verb == "create") {
    create(words);
  } else if (verb == "quotas") {
    quotas(words);
  } else if (verb == "publish") {
    publish(words, 0);
  } else if (verb == "delete_topic") {
    auto request = std::make_unique<core::DeleteTopic>(core::Access::anonymous());
    words >> request->name;
    ask(std::move(request), this);
  } else if (verb == "delay") {
    int64_t seconds = 0;
    words >> seconds >> word;
    publish(words, seconds * kMicrosPerSecond);
  } else if (verb == "cancel" || verb == "delayed") {
    delayed_command(verb, words);
  } else if (verb == "fetch") {
    fetch(words);
  } else if (verb == "write") {
    mem_->write_pending();
  } else if (verb == "sync") {
    mem_->sync();
  } else if (verb == "read") {
    mem_->answer_reads();
  } else if (verb == "reads_fail") {
    fail_reads(words);
  } else if (verb == "settle") {
    settle();
  } else if (verb == "crash") {
    size_t keep = 0;
    words >> keep;
    crash(keep);
  } else if (verb == "system_events") {
    shard_options_.system_events_delay_us = limits::kSystemEventsDelayUs;
  } else if (verb == "rollups") {
    shard_options_.rollup_interval_us = limits::kRollupWriteUs;
  } else if (verb == "tail") {
    words >> tail_bytes_;
  } else if (verb == "set_bytes") {
    words >> shard_options_.set_bytes;
  } else if (verb == "types") {
    auto request = std::make_unique<core::ListTypes>(core::Access::anonymous());
    std::string name;
    words >> name;
    request->topic = topic(name);
    ask(std::move(request), this);
  } else if (verb == "audit") {
    ask(std::make_unique<core::ReadAudit>(core::Access::anonymous()), this);
  } else if (!schema_command(verb, words) && !acked_command(verb, words)) {
    group_command(verb, words);
  }
  end_turn();
}

void CoreStage::clock(const std::string& by, bool wall_only) {
  const int64_t unit_us = (by.back() == 'd' ? 24 * 3'600 : 1) * kMicrosPerSecond;
  const int64_t us = std::stoll(by) * unit_us;
  suspect_ = suspect_ || wall_only;
  now_.wall_us += us;
  if (!wall_only) now_.mono_us += us;
  if (!suspect_) make_months();
  wheel_->advance(now_);
}

void CoreStage::ask(core::RequestPtr request, core::Requester* requester) {
  request->shard = ShardId(0);
  request->requester = requester;
  request->home = 0;
  if (request->ticket == 0) request->ticket = next_ticket_++;
  shard_->handle(std::move(request));
}

void CoreStage::start(core::RequestPtr request) {
  ask(std::move(request), &answers_);
  end_turn();
}

core::RequestPtr CoreStage::answer(core::RequestPtr request) {
  answers_.taken.reset();
  start(std::move(request));
  settle();
  HR_CHECK(answers_.taken != nullptr);
  return std::move(answers_.taken);
}

core::RequestPtr CoreStage::answer_meanwhile(core::RequestPtr request) {
  answers_.taken.reset();
  start(std::move(request));
  for (int reads = 0; reads < 1'000 && answers_.taken == nullptr; ++reads) run("read");
  HR_CHECK(answers_.taken != nullptr);
  return std::move(answers_.taken);
}

core::TopicPtr CoreStage::topic(const std::string& name) const {
  auto found = catalog_->topic(kDefaultTenant, name);
  HR_CHECK(found != nullptr && "the scenario names a topic that does not exist yet");
  return found;
}

void CoreStage::quotas(std::istringstream& words) {
  auto request = std::make_unique<core::SetQuotas>(core::Access::anonymous());
  request->name = "default";
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const int64_t limit = std::stoll(word.substr(equals + 1));
    if (name == "weight") request->changes.weight = static_cast<uint32_t>(limit);
    for (size_t i = 0; i < core::kQuotas; ++i) {
      if (name == core::info(static_cast<core::Quota>(i)).name) request->changes.limits[i] = limit;
    }
  }
  ask(std::move(request), this);
}

void CoreStage::create(std::istringstream& words) {
  auto request = std::make_unique<core::CreateTopic>(core::Access::anonymous());
  words >> request->name >> request->partitions;
  for (std::string word; words >> word;) {
    const int64_t value = std::stoll(word.substr(word.find('=') + 1));
    if (word.starts_with("events=")) request->retention.events = value;
    if (word.starts_with("age_s=")) request->retention.age_us = value * kMicrosPerSecond;
    if (word.starts_with("dedup_s=")) request->dedup.window_us = value * kMicrosPerSecond;
    if (word.starts_with("dedup_ids=")) request->dedup.max_ids = static_cast<uint32_t>(value);
    if (word.starts_with("months=")) request->retention.months = static_cast<uint32_t>(value);
  }
  ask(std::move(request), this);
}

void CoreStage::delayed_command(const std::string& verb, std::istringstream& words) {
  std::string name;
  words >> name;
  if (verb == "delayed") {
    auto request = std::make_unique<core::ListDelayed>(core::Access::anonymous());
    request->topic = topic(name);
    return ask(std::move(request), this);
  }
  auto request = std::make_unique<core::CancelDelayed>(core::Access::anonymous());
  request->topic = topic(name);
  words >> request->id;
  ask(std::move(request), this);
}

void CoreStage::publish(std::istringstream& words, int64_t delay_us) {
  auto request = std::make_unique<core::PublishEvents>(core::Access::anonymous());
  std::string name;
  std::string durability;
  uint32_t partition = 0;
  words >> name >> partition >> durability;
  request->topic = topic(name);
  request->durability = parse_durability(durability);
  if (delay_us != 0) request->due_us = now_.wall_us + delay_us;
  auto held = std::make_shared<Values>();
  bool prebuilt = false;
  std::string id;
  std::string key;
  for (std::string word; words >> word;) {
    if (word.starts_with("type=")) {
      held->type = word.substr(5);
      continue;
    }
    if (word.starts_with("version=")) {
      held->version = word.substr(8);
      continue;
    }
    if (word.starts_with("from=")) {  // another connection
      request->origin = std::stoull(word.substr(5));
      continue;
    }
    if (word.starts_with("id=")) {
      id = word.substr(3);
      continue;
    }
    if (word.starts_with("key=")) {
      key = word.substr(4);
      continue;
    }
    if (word == "atomic" || word == "batch") {
      request->atomic = word == "atomic";
      prebuilt = word == "batch";
      continue;
    }
    if (!word.starts_with("producer=")) {
      held->values.push_back(word);
      held->ids.push_back(id);
      held->keys.push_back(key);
      continue;
    }
    const size_t colon = word.find(':');
    request->producer = ProducerId(std::stoll(word.substr(9, colon - 9)));
    request->sequence = std::stoi(word.substr(colon + 1));
    const size_t epoch = word.find('@');
    request->producer_epoch =
        static_cast<int16_t>(epoch == std::string::npos ? 0 : std::stoi(word.substr(epoch + 1)));
  }
  request->items.resize(held->values.size());
  for (size_t i = 0; i < held->values.size(); ++i) {
    auto& item = request->items[i];
    item.partition = PartitionId(partition);
    item.fields.value = held->values[i];
    if (!held->keys[i].empty()) item.fields.key = held->keys[i];
    item.fields.timestamp_ms = 1;
    if (!held->ids[i].empty()) item.headers.push_back({"ce_id", held->ids[i]});
    if (!held->type.empty()) item.headers.push_back({"ce_type", held->type});
    if (!held->version.empty()) item.headers.push_back({"ce_schemaversion", held->version});
    item.fields.headers = item.headers;
  }
  if (prebuilt) return ask(prebuild(*request), this);
  request->message = held;
  ask(std::move(request), this);
}

void CoreStage::fetch(std::istringstream& words) {
  auto request = std::make_unique<core::Fetch>(core::Access::anonymous());
  std::string name;
  uint32_t partition = 0;
  int64_t offset = 0;
  words >> name >> partition >> offset;
  request->topic = topic(name);
  request->partition = PartitionId(partition);
  request->offset = Offset(offset);
  request->max_bytes = 1u << 20;
  ask(std::move(request), this);
}

void CoreStage::group_command(const std::string& verb, std::istringstream& words) {
  std::string group;
  std::string who;
  words >> group >> who;
  const auto tenant = core::Access::anonymous();
  if (verb == "group") {
    auto request = std::make_unique<core::EnsureGroup>(tenant);
    request->name = group;
    request->topic = topic(who);
    return ask(std::move(request), this);
  }
  const auto record = catalog_->group(kDefaultTenant, group);
  HR_CHECK(record != nullptr);
  auto fill = [&](auto request) {
    request->group = record;
    request->topic = catalog_->topic(kDefaultTenant, record->topic);
    request->member = members_[who];
    return request;
  };
  if (verb == "join") {
    auto request = fill(std::make_unique<core::JoinGroup>(tenant));
    request->session_timeout_us = 10 * kMicrosPerSecond;
    request->ticket = next_ticket_++;
    joining_[request->ticket] = who;
    return ask(std::move(request), this);
  }
  if (verb == "heartbeat") {
    auto request = fill(std::make_unique<core::Heartbeat>(tenant));
    words >> request->generation;
    return ask(std::move(request), this);
  }
  if (verb == "leave") return ask(fill(std::make_unique<core::LeaveGroup>(tenant)), this);
  HR_CHECK(verb == "commit" && "no such command");
  auto request = fill(std::make_unique<core::CommitOffsets>(tenant));
  request->epoch = epochs_[who];
  uint32_t partition = 0;
  int64_t offset = 0;
  words >> partition >> offset;
  request->offsets.push_back({PartitionId(partition), Offset(offset)});
  ask(std::move(request), this);
}

}  // namespace headrace::test
