#include "broker/core/rollups.h"

#include <map>

#include "broker/limits.h"
#include "metrics/log.h"
#include "records.pb.h"
#include "storage/byte_reader.h"

namespace headrace::core {
namespace {

uint32_t slot_of(int64_t wall_us) {
  return static_cast<uint32_t>(wall_us / limits::kRollupSlotUs);
}

storage::Place place_of(const Topic& topic) {
  return {storage::Table::rollup, Month(0), topic.tenant};
}

}  // namespace

Rollups::~Rollups() {
  ctx_->disarm(this);
}

const TypeRollupPtr& Rollups::of(const TopicPtr& topic) {
  auto& entry = entries_[topic->id];
  if (entry == nullptr) {
    entry = std::make_unique<Entry>();
    entry->topic = topic;
    entry->rollup = std::make_shared<TypeRollup>([this, raw = entry.get()] { changed(raw); });
  }
  return entry->rollup;
}

void Rollups::changed(Entry* entry) {
  entry->dirty = true;
  if (entry->slot == 0) entry->slot = slot_of(ctx_->now().wall_us);
  if (armed_ || interval_us_ < 0) return;
  armed_ = true;
  ctx_->arm(this, ctx_->now().mono_us + interval_us_);
}

// What comes between the end of a slot and this counts in it still.
void Rollups::on_timer(Time) {
  armed_ = false;
  write_now();
}

void Rollups::write_now() {
  if (interval_us_ < 0) return;
  for (auto& [id, entry] : entries_) {
    if (entry->dirty) write(entry.get());
  }
}

void Rollups::write(Entry* entry) {
  const Topic& topic = *entry->topic;
  records::TypeRollup row;
  entry->rollup->encode(&row);
  entry->dirty = false;
  auto& writes = ctx_->writes(nullptr);
  const auto key = [&](uint32_t slot) {
    return storage::rollup_key(topic.tenant, topic.id, SliceId(0), slot, ctx_->epoch());
  };
  writes.put(place_of(topic), key(entry->slot), row.SerializeAsString());
  if (slot_of(ctx_->now().wall_us) == entry->slot) return;
  const uint32_t before = entry->slot / limits::kRollupSlotsPerTrim;
  entry->rollup->begin_slot();
  entry->slot = slot_of(ctx_->now().wall_us);
  if (entry->slot / limits::kRollupSlotsPerTrim == before || ctx_->clock_suspect()) return;
  writes.remove_range(place_of(topic), storage::rollup_prefix(topic.tenant, topic.id, SliceId(0)),
                      storage::rollup_key(topic.tenant, topic.id, SliceId(0),
                                          entry->slot - limits::kRollupSlotsKept, Epoch(0)));
}

void Rollups::purge(const TopicPtr& topic) {
  // The topic's partitions and groups may hold on to it for a while: it stays, and is not written.
  const auto known = entries_.find(topic->id);
  if (known != entries_.end()) known->second->dirty = false;
  const auto prefix = storage::rollup_prefix(topic->tenant, topic->id, SliceId(0));
  ctx_->writes(nullptr).remove_range(place_of(*topic), prefix, prefix.after_prefix());
}

void Rollups::stop() {
  ctx_->disarm(this);
}

// Owns itself until the last row is there.
struct Rollups::Page final : storage::Scan {
  void run() override {
    std::unique_ptr<Page> self(this);
    if (status != storage::Status::ok) {
      request->error = Error(from_store(status), "reading rollups");
      return ctx->reply(std::move(request));
    }
    for (const Row& row : rows) {
      records::TypeRollup slot;
      if (row.key == counted) continue;  // what memory has is newer
      if (!slot.ParseFromArray(row.value.data(), static_cast<int>(row.value.size()))) {
        log::error("a rollup does not parse",
                   {{"row", storage::to_text(storage::Table::rollup, row.key.view())}});
        continue;
      }
      add(slot);
    }
    if (!more) return finish();
    from = storage::Key(rows.back().key).append(uint8_t{0});
    rows.clear();
    ctx->store().scan(self.release());
  }

  void add(const records::TypeRollup& slot) {
    for (const auto& type : slot.types()) {
      TypeCounts& counts = totals[{type.unknown(), type.name()}];
      counts.published += type.published();
      counts.acked += type.acked();
      counts.failed += type.failed();
      counts.dead += type.dead();
      for (int i = 0; i < std::min(type.bins_size(), type.bin_counts_size()); ++i) {
        counts.durations.add_bin(type.bins(i), type.bin_counts(i));
      }
    }
  }

  void finish() {
    for (const auto& [type, counts] : totals) {
      request->types.push_back({type.second, type.first, counts});
    }
    ctx->reply(std::move(request));
  }

  Ctx* ctx = nullptr;
  std::unique_ptr<ListTypes> request;
  storage::Key counted;
  std::map<std::pair<bool, std::string>, TypeCounts> totals;
};

void Rollups::list(std::unique_ptr<ListTypes> request) {
  const TopicPtr topic = request->topic;
  const int64_t now_us = ctx_->now().wall_us;
  const int64_t to_us = request->to_us > 0 ? std::min(request->to_us, now_us) : now_us;
  const int64_t from_us = request->from_us > 0 ? request->from_us : to_us - limits::kRollupViewUs;
  if (from_us >= to_us) {
    request->error = Error(ErrorCode::invalid_request, "from: must be before to, and before now");
    return ctx_->reply(std::move(request));
  }
  const uint32_t from = slot_of(std::max<int64_t>(from_us, 0));
  const uint32_t to = slot_of(to_us);
  auto* page = new Page;
  page->ctx = ctx_;
  page->request = std::move(request);
  const auto known = entries_.find(topic->id);
  if (known != entries_.end() && known->second->slot >= from && known->second->slot <= to) {
    const Entry& entry = *known->second;
    page->counted =
        storage::rollup_key(topic->tenant, topic->id, SliceId(0), entry.slot, ctx_->epoch());
    entry.rollup->each([&](const std::string& name, bool unknown, const TypeCounts& counts) {
      page->totals[{unknown, name}] = counts;
    });
  }
  page->place = place_of(*topic);
  page->from = storage::rollup_key(topic->tenant, topic->id, SliceId(0), from, Epoch(0));
  page->to = storage::rollup_key(topic->tenant, topic->id, SliceId(0), to + 1, Epoch(0));
  page->sink = ctx_->sink();
  ctx_->store().scan(page);
}

}  // namespace headrace::core
