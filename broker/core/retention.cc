#include "broker/core/retention.h"

#include <algorithm>

#include "broker/core/acked_groups.h"
#include "broker/core/partition.h"
#include "broker/limits.h"
#include "metrics/log.h"
#include "storage/month.h"

namespace headrace::core {
namespace {

int64_t months_between(Month older, Month newer) {
  const auto count = [](Month m) { return int64_t{m.value() / 100} * 12 + m.value() % 100; };
  return count(newer) - count(older);
}

}  // namespace

bool may_go(const Retention& retention, const RetentionQuestion& question) {
  if (retention.age_us && question.chunk_last_append_us < question.now_us - *retention.age_us) {
    return true;
  }
  if (retention.bytes && question.kept_bytes >= *retention.bytes) return true;
  if (retention.events && question.kept_events >= *retention.events) return true;
  // A month in the future is a clock's mistake: never act on it (hard case H11).
  const int64_t age_months = months_between(question.chunk_month, question.current_month);
  return retention.months && age_months > int64_t{*retention.months};
}

Retention retention_within(const Topic& topic, const Quotas& quotas) {
  Retention within = topic.retention;
  if (topic.name == kSystemTopic) return within;
  if (const int64_t days = quotas.of(Quota::keep_days); days > 0) {
    constexpr int64_t kDayUs = int64_t{24} * 3'600 * kMicrosPerSecond;
    const int64_t most_us = std::min(days, INT64_MAX / kDayUs) * kDayUs;
    within.age_us = std::min(within.age_us.value_or(most_us), most_us);
  }
  if (const int64_t months = quotas.of(Quota::keep_months); months > 0) {
    const auto most = static_cast<uint32_t>(std::min<int64_t>(months, limits::kRetentionMonthsMax));
    within.months = std::min(within.months.value_or(most), most);
  }
  return within;
}

Retention retention_of(const Topic& topic, const CatalogSnapshot& catalog) {
  const TenantPtr tenant = catalog.tenant(topic.tenant);
  return retention_within(topic, tenant == nullptr ? Quotas{} : tenant->quotas);
}

bool held_long_enough(const Retention& retention, const RetentionQuestion& question,
                      int64_t max_pin_us) {
  constexpr int64_t kMonthUs = limits::kRetentionPinUsMax;
  int64_t due_us = INT64_MAX;
  int64_t period_us = kMonthUs;
  if (retention.months) {
    Month month = question.chunk_month;
    for (uint32_t i = 0; i <= *retention.months; ++i) month = storage::next_month(month);
    due_us = storage::month_start_us(month);
  }
  if (retention.age_us) {
    due_us = std::min(due_us, question.chunk_last_append_us + *retention.age_us);
    period_us = std::min(period_us, *retention.age_us);
  }
  if (due_us > question.now_us) due_us = question.chunk_last_append_us;  // its bytes or its events
  if (max_pin_us > 0) period_us = std::min(max_pin_us, kMonthUs);
  return question.now_us - due_us >= period_us;
}

namespace {

struct Pass final : storage::Scan {
  void run() override {
    auto partition = owner.lock();
    if (partition == nullptr || partition->state() != Partition::State::ready ||
        status != storage::Status::ok) {
      return finish(partition.get());
    }
    for (const Row& row : rows) {
      const Look look = take(*partition, row);
      if (look == Look::goes_on) continue;
      return look == Look::asks ? ask(*partition) : finish(partition.get());
    }
    if (more) {
      from = storage::Key(std::string(rows.back().key.view()) + '\0');
      return scan();
    }
    next_month(*partition);
  }

  void next_month(Partition& partition) {
    const auto& months = partition.index().months();
    // The open chunk stays; so the newest month is looked at, but never emptied.
    if (month >= months.size()) return finish(&partition);
    const auto& span = months[month++];
    chunk_month = span.row.month;
    span_first = span.first_offset;
    bytes_in_month = 0;
    place = partition.index().log_place(span.row.month);
    const auto& key = partition.index().partition();
    from = storage::log_key(storage::LogKind::chunk, key,
                            std::max(span.first_offset, partition.index().log_start()));
    // A clock that was set back brings a month twice: the rest of its family comes later.
    to = month < months.size()
             ? storage::log_key(storage::LogKind::chunk, key, months[month].first_offset)
             : storage::log_prefix(storage::LogKind::chunk, key).after_prefix();
    scan();
  }

  // Something may go: how far is it still needed? Then from the start again.
  void ask(Partition& partition) {
    groups->oldest_needed(partition.topic(), partition.number(), [this](Offset oldest) {
      auto alive = owner.lock();
      if (alive == nullptr || alive->state() != Partition::State::ready) {
        return finish(alive.get());
      }
      needed_from = oldest;
      month = 0;
      next_month(*alive);
    });
  }

  enum class Look : uint8_t { goes_on, ends, asks };
  Look take(const Partition& partition, const Row& row) {
    const auto key = storage::parse_log_key(row.key.view());
    const auto chunk = storage::ChunkRow::decode(row.value.view());
    if (!key || !chunk) {
      log::error("retention stops at a chunk row that does not parse",
                 {{"topic", partition.topic()->name}, {"partition", partition.number().value()}});
      return Look::ends;
    }
    const Offset end = key->base_offset + chunk->last_offset_delta + 1;
    const auto bytes = static_cast<int64_t>(chunk->total_bytes);
    RetentionQuestion question;
    question.now_us = ctx->now().wall_us;
    question.current_month = storage::month_of(question.now_us);
    question.chunk_month = chunk_month;
    question.chunk_last_append_us = chunk->last_append_us;
    question.kept_bytes = partition.index().total_bytes() - seen_bytes - bytes;
    question.kept_events = partition.visible_end() - end;
    if (end > partition.visible_end() || !may_go(retention, question)) return Look::ends;
    if (!needed_from) return Look::asks;
    seen_bytes += bytes;
    if (end > *needed_from) {
      // Held. Below its floor the disk needs the space more.
      const bool disk_low = ctx->store().pressure().disk != storage::Pressure::Disk::ok;
      if (!disk_low && !held_long_enough(retention, question, max_pin_us)) return Look::ends;
      let_go_below = end;
      return Look::goes_on;
    }
    gone_bytes += bytes;
    bytes_in_month += bytes;
    cut = end;
    cut_span_first = span_first;
    cut_bytes_in_month = bytes_in_month;
    if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
    return Look::goes_on;
  }

  void finish(Partition* partition) {
    std::unique_ptr<Pass> self(this);
    if (partition != nullptr && partition->state() == Partition::State::ready && gone_bytes > 0 &&
        cut > partition->index().log_start()) {
      // At the end of a month the cut lies in the next one, of which nothing is gone.
      const auto* span = partition->index().month_of(cut);
      const bool inside = span != nullptr && span->first_offset == cut_span_first;
      partition->trim(cut, inside ? cut_bytes_in_month : 0, std::move(places));
      groups->forget_attempts(partition->topic(), partition->number(), cut);
    }
    if (partition != nullptr && partition->state() == Partition::State::ready && let_go_below) {
      groups->expire_below(partition->topic(), partition->number(), *let_go_below);
    }
    // Alive partition, alive shard objects: only then is there somebody to tell.
    if (partition != nullptr) done();
  }

  void scan() {
    rows.clear();
    more = false;
    sink = ctx->sink();
    ctx->store().scan(this);
  }

  std::weak_ptr<Partition> owner;
  AckedGroups* groups = nullptr;  // there as long as the partition
  Retention retention;
  int64_t max_pin_us = 0;
  Ctx* ctx = nullptr;
  std::function<void()> done;
  std::optional<Offset> needed_from;   // by acked groups; none: not asked yet
  std::optional<Offset> let_go_below;  // held long enough
  size_t month = 0;
  Month chunk_month;
  int64_t seen_bytes = 0;  // of chunks that go, or would
  int64_t gone_bytes = 0;
  int64_t bytes_in_month = 0;
  Offset span_first;
  Offset cut;
  Offset cut_span_first;
  int64_t cut_bytes_in_month = 0;
  std::vector<storage::Place> places;  // that lose something
};

}  // namespace

void RetentionPass::begin(std::shared_ptr<Partition> partition, AckedGroups* groups,
                          int64_t max_pin_us, Ctx* ctx, std::function<void()> done) {
  auto* pass = new Pass;
  pass->groups = groups;
  pass->retention = retention_of(*partition->topic(), *ctx->catalog());
  pass->max_pin_us = max_pin_us;
  pass->owner = partition;
  pass->ctx = ctx;
  pass->done = std::move(done);
  pass->next_month(*partition);
}

}  // namespace headrace::core
