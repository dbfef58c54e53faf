// How an acked group comes into memory: its positions and its health are read; partitions without a
// position (a new group, or one whose first start did not finish) get one from the options.
#include "broker/core/acked_group.h"
#include "broker/limits.h"
#include "metrics/log.h"
#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {

// Own themselves until the rows are there; the group may be gone by then.
struct AckedGroup::Load {
  struct Positions final : storage::Scan {
    void run() override {
      std::unique_ptr<Positions> self(this);
      auto alive = group.lock();
      if (alive == nullptr || alive->state_ != State::loading) return;
      if (status != storage::Status::ok) return alive->fail_load();
      for (const Row& row : rows) {
        const auto parts = storage::parse_offsets_key(row.key.view());
        const auto value = storage::SettledRow::decode(storage::as_text(row.value.span()));
        if (!parts || !value) continue;
        alive->starts_[{parts->lane, parts->partition.partition}] = *value;
      }
      if (!more) return alive->scan_jobs();
      storage::Key last = rows.back().key;
      from = last.append(uint8_t{0});
      rows.clear();
      alive->ctx_->store().scan(self.release());
    }
    std::weak_ptr<AckedGroup> group;
  };
  struct JobRows final : storage::Scan {
    void run() override {
      std::unique_ptr<JobRows> self(this);
      auto alive = group.lock();
      if (alive == nullptr || alive->state_ != State::loading) return;
      if (status != storage::Status::ok) return alive->fail_load();
      for (const Row& row : rows) {
        if (alive->jobs_.load(row.key.view(), storage::as_text(row.value.span()))) continue;
        log::error("a job's row does not parse; it stays where it is",
                   {{"row", storage::to_text(storage::Table::state, row.key.view())}});
      }
      alive->ask_positions();
    }
    std::weak_ptr<AckedGroup> group;
  };
  struct HealthRow final : storage::Read {
    void run() override {
      std::unique_ptr<HealthRow> self(this);
      auto alive = group.lock();
      if (alive == nullptr || alive->state_ != State::loading) return;
      if (status != storage::Status::ok) return alive->fail_load();
      if (items[0].found) alive->health_loaded(items[0].value);
      alive->scan_positions();
    }
    std::weak_ptr<AckedGroup> group;
  };
};

void AckedGroup::load(std::function<void()> loaded) {
  loaded_ = std::move(loaded);
  auto* read = new Load::HealthRow;
  read->group = weak_from_this();
  read->items.push_back({storage::state_place(topic_->tenant),
                         storage::health_key(topic_->tenant, topic_->id, SliceId(0), record_->id),
                         {},
                         false});
  read->sink = ctx_->sink();
  ctx_->store().read(read);
}

void AckedGroup::health_loaded(const SharedBytes& bytes) {
  records::GroupHealth row;
  if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    log::error("a group's health row does not parse; it starts as healthy",
               {{"group", record_->name}});
    return;
  }
  health_.decode(row, options(), ctx_->now().wall_us);
  dead_letters_.decode(row);
  for (const auto& one : row.blocked()) {
    starts_blocked_[PartitionId(one.partition())] = one.events();
    blocked_ += static_cast<int64_t>(one.events());
  }
  acked_ = row.acked();
  failed_ = row.failed();
  dead_ = row.dead();
  skipped_ = row.skipped();
  kept_attempts_ = row.kept_attempts();
  last_success_us_ = row.last_success_us();
  last_failure_us_ = row.last_failure_us();
  last_error_ = row.last_error();
}

void AckedGroup::scan_positions() {
  auto* scan = new Load::Positions;
  scan->group = weak_from_this();
  scan->place = {storage::Table::offsets, Month(0), topic_->tenant};
  scan->from = storage::offsets_prefix(topic_->tenant, topic_->id, SliceId(0), record_->id);
  scan->to = scan->from.after_prefix();
  scan->max_rows = limits::kPartitionsPerTopic;
  scan->max_bytes = SIZE_MAX;  // windows are bounded, and so are their rows
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

void AckedGroup::scan_jobs() {
  auto* scan = new Load::JobRows;
  scan->group = weak_from_this();
  scan->place = storage::state_place(topic_->tenant);
  scan->from = storage::job_prefix(topic_->tenant, topic_->id, SliceId(0), record_->id);
  scan->to = scan->from.after_prefix();
  scan->max_rows = SIZE_MAX;  // kJobsKept of each kind, and what is open
  scan->max_bytes = SIZE_MAX;
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

// One partition after the other; an answer may come within the call.
void AckedGroup::ask_positions() {
  for (uint32_t i = 0; i < topic_->partitions; ++i) {
    if (starts_.contains({LaneId(0), PartitionId(i)})) continue;
    auto request = std::make_unique<ListOffsets>(Access::node(topic_->tenant));
    request->topic = topic_;
    request->shard = topic_->shard;
    request->partition = PartitionId(i);
    request->at = options().from;
    // Latest is what was the latest when the group was made, whenever it is first loaded.
    if (std::holds_alternative<Latest>(options().from)) {
      request->at = AppendedAt(record_->created_us);
    }
    request->origin = fetch_origin();
    return ctx_->submit(std::move(request));
  }
  become_ready();
}

void AckedGroup::on_position(ListOffsets& found) {
  if (found.ticket != 0) return jobs_.on_position(found);
  if (state_ != State::loading) return;
  if (found.error) {
    log::error("a group's start position was not found",
               {{"group", record_->name}, {"error", found.error.message()}});
    return fail_load();
  }
  storage::SettledRow& row = starts_[{LaneId(0), found.partition}];
  row.floor = found.offset;
  ctx_->writes(this).put(
      {storage::Table::offsets, Month(0), topic_->tenant},
      storage::offsets_key(topic_->partition(found.partition), record_->id, LaneId(0)),
      row.encode());
  ask_positions();
}

void AckedGroup::become_ready() {
  for (const auto& [at, row] : starts_) {
    const auto& [lane, partition] = at;
    if (lane != LaneId(0) || partition.value() >= topic_->partitions) continue;
    cursors_.push_back(std::make_unique<Cursor>(this, partition, nullptr, Offset(INT64_MAX), row,
                                                starts_blocked_[partition], ctx_));
  }
  starts_blocked_.clear();
  jobs_.open(std::exchange(starts_, {}));
  state_ = State::ready;
  advance_jobs();
  dead_letters_.watch(blocked_ > 0, true);  // what was crossed before was told before
  watch_cooldown();
  if (loaded_) std::exchange(loaded_, {})();
  pump();  // what was blocked may move by now
}

void AckedGroup::fail_load() {
  state_ = State::failed;
  if (loaded_) std::exchange(loaded_, {})();
}

}  // namespace headrace::core
