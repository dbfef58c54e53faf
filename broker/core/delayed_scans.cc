#include "broker/core/delayed_scans.h"

#include <utility>

#include "metrics/log.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

constexpr int64_t kCatalogLookUs = 10'000;
constexpr int64_t kScanAgainUs = 1'000'000;

storage::Place delayed_place(const TopicPtr& topic) {
  return {storage::Table::delayed, Month(0), topic->tenant};
}

// All rows that name the id, then each is taken back where it still waits.
struct Cancelling final : storage::Scan {
  struct Found {
    storage::DelayedKeyParts at;
    size_t row_bytes;
  };

  void run() override {
    if (status != storage::Status::ok) return finish(Error(from_store(status), "delayed events"));
    for (const Row& row : rows) {
      const auto parts = storage::parse_delayed_key(row.key.view());
      storage::ByteReader size(row.value.view());
      const auto bytes = size.take<uint32_t>();
      if (!parts || !size.finished() || parts->partition.partition.value() >= partitions.size()) {
        log::error("a row of a delayed event's id does not parse",
                   {{"row", storage::to_text(storage::Table::delayed, row.key.view())}});
        continue;
      }
      found.push_back({*parts, bytes});
    }
    const auto last = more ? storage::parse_delayed_key(rows.back().key.view()) : std::nullopt;
    if (!last) return cancel();
    from = storage::delayed_id_key(last->partition, last->id, last->due_us, last->sequence + 1);
    scan();
  }

  void scan() {
    rows.clear();
    more = false;
    ctx->store().scan(this);
  }

  void cancel() {
    // They fail together, with their shard or their topic.
    for (const auto& partition : partitions) {
      if (partition->state() != Partition::State::ready) {
        return finish(Error(ErrorCode::loading, request->topic->name));
      }
    }
    for (const Found& one : found) {
      auto& partition = *partitions[one.at.partition.partition.value()];
      const DelayedOrder order{one.at.due_us, one.at.sequence};
      if (partition.cancel_delayed(order, one.at.id, one.row_bytes)) ++request->cancelled;
    }
    finish(request->cancelled > 0 ? Error() : Error(ErrorCode::unknown_delayed, request->id));
  }

  void finish(Error error) {
    std::unique_ptr<Cancelling> self(this);
    for (size_t i = 0; i < partitions.size(); ++i) partitions[i]->delayed().end_read(marks[i]);
    request->error = std::move(error);
    if (request->error) return ctx->reply(std::move(request));
    ctx->reply_committed(std::move(request), Durability::durable);
  }

  std::unique_ptr<CancelDelayed> request;
  std::vector<std::shared_ptr<Partition>> partitions;
  std::vector<uint64_t> marks;
  std::vector<Found> found;
  Ctx* ctx = nullptr;
};

struct Listing final : storage::Scan {
  void run() override {
    std::unique_ptr<Listing> self(this);
    if (status != storage::Status::ok) {
      request->error = Error(from_store(status), "delayed events of " + request->topic->name);
      return ctx->reply(std::move(request));
    }
    for (const Row& row : rows) {
      const auto parts = storage::parse_delayed_key(row.key.view());
      const auto decoded = decode_delayed(row.value.view());
      OpenedEvent event;
      if (!parts || !decoded || !open_event(decoded->event, &event)) {
        request->error =
            Error(ErrorCode::storage_error,
                  storage::to_text(storage::Table::delayed, row.key.view()) + " does not parse");
        return ctx->reply(std::move(request));
      }
      request->rows.push_back({parts->partition.partition,
                               {parts->due_us, parts->sequence},
                               std::string(event.id),
                               std::string(event.type),
                               std::string(event.fields.key.value_or("")),
                               event.fields.key.has_value(),
                               decoded->accepted_us,
                               event.fields.value.value_or("").size()});
    }
    request->more = more;
    ctx->reply(std::move(request));
  }

  std::unique_ptr<ListDelayed> request;
  Ctx* ctx = nullptr;
};

}  // namespace

void CancelScan::begin(std::unique_ptr<CancelDelayed> request,
                       std::vector<std::shared_ptr<Partition>> partitions, Ctx* ctx) {
  auto* scan = new Cancelling;
  const Topic& topic = *request->topic;
  scan->place = delayed_place(request->topic);
  scan->from =
      storage::delayed_id_prefix(topic.tenant, topic.id, SliceId(0), storage::id_hash(request->id));
  scan->to = scan->from.after_prefix();
  scan->sink = ctx->sink();
  for (const auto& partition : partitions) {
    scan->marks.push_back(partition->delayed().begin_read());
  }
  scan->request = std::move(request);
  scan->partitions = std::move(partitions);
  scan->ctx = ctx;
  scan->scan();
}

void DelayedList::begin(std::unique_ptr<ListDelayed> request, Ctx* ctx) {
  auto* scan = new Listing;
  const TopicPtr& topic = request->topic;
  scan->place = delayed_place(topic);
  const auto prefix =
      storage::delayed_prefix(topic->tenant, topic->id, SliceId(0), storage::DelayedKind::entry);
  const DelayedOrder& after = request->after;
  scan->from = after.due_us < 0
                   ? prefix
                   : storage::delayed_entry_key(topic->partition(request->after_partition),
                                                after.due_us, after.sequence + 1);
  scan->to = prefix.after_prefix();
  scan->max_rows = request->page_size;
  scan->sink = ctx->sink();
  scan->request = std::move(request);
  scan->ctx = ctx;
  ctx->store().scan(scan);
}

// ---- which partitions have some

struct DelayedWake::Totals final : storage::Scan {
  void run() override {
    std::unique_ptr<Totals> self(this);
    if (auto wake = alive.lock()) (*wake)->on_totals(*this);
  }
  std::weak_ptr<DelayedWake*> alive;
};

DelayedWake::DelayedWake(ShardId shard, Ctx* ctx, Found found)
    : shard_(shard),
      ctx_(ctx),
      found_(std::move(found)),
      alive_(std::make_shared<DelayedWake*>(this)) {}

DelayedWake::~DelayedWake() {
  ctx_->disarm(this);
}

void DelayedWake::start() {
  ctx_->arm(this, ctx_->now().mono_us + kCatalogLookUs);
}

void DelayedWake::stop() {
  ctx_->disarm(this);
  alive_.reset();
}

void DelayedWake::on_timer(Time) {
  if (ctx_->catalog()->version == 0) return start();
  if (!std::exchange(listed_, true)) {
    for (const auto& [name, topic] : ctx_->catalog()->topics) {
      if (topic->shard == shard_ && topic->state == Topic::State::active) topics_.push_back(topic);
    }
  }
  next();
}

// One topic after the other: there may be ten thousand.
void DelayedWake::next() {
  if (topics_.empty()) return;
  const Topic& topic = *topics_.back();
  auto* scan = new Totals;
  scan->alive = alive_;
  scan->place = delayed_place(topics_.back());
  scan->from =
      storage::delayed_prefix(topic.tenant, topic.id, SliceId(0), storage::DelayedKind::totals);
  scan->to = scan->from.after_prefix();
  scan->max_rows = topic.partitions;
  scan->sink = ctx_->sink();
  ctx_->store().scan(scan);
}

void DelayedWake::on_totals(const Totals& totals) {
  if (totals.status != storage::Status::ok) {
    log::error("looking for delayed events failed; it is tried again",
               {{"shard", shard_.value()}, {"status", storage::to_string(totals.status)}});
    return ctx_->arm(this, ctx_->now().mono_us + kScanAgainUs);
  }
  const TopicPtr topic = topics_.back();
  topics_.pop_back();
  for (const auto& row : totals.rows) {
    const auto parts = storage::parse_delayed_key(row.key.view());
    if (parts && parts->partition.partition.value() < topic->partitions) {
      found_(topic, parts->partition.partition);
    }
  }
  next();
}

}  // namespace headrace::core
