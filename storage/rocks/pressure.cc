#include "storage/rocks/pressure.h"

#include <rocksdb/db.h>

#include <algorithm>

#include "metrics/counters.h"
#include "metrics/log.h"
#include "storage/rocks/data_directory.h"

namespace headrace::storage {
namespace {

constexpr std::chrono::milliseconds kPollInterval{1'000};
constexpr std::chrono::milliseconds kStallPollInterval{10};
// RocksDB slows its writer at 64 GiB of compaction debt: publishes shrink at half of it.
constexpr uint64_t kCompactionDebtBytes = uint64_t{32} << 30;
// Of three memtables one is being filled. One waiting for its flush is normal; two mean that the
// flush is slower than the writer, and the third would stop it.
constexpr uint64_t kWaitingMemtablesLimit = 2;

bool slows_writer(rocksdb::DB* db) {
  uint64_t stopped = 0;
  uint64_t delayed_rate = 0;
  db->GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &stopped);
  db->GetIntProperty(rocksdb::DB::Properties::kActualDelayedWriteRate, &delayed_rate);
  return stopped != 0 || delayed_rate != 0;
}

class Listener final : public rocksdb::EventListener {
 public:
  Listener(PressureGauge* gauge, const Families* families, const Fatal* fatal)
      : gauge_(gauge), families_(families), fatal_(fatal) {}

  void OnMemTableSealed(const rocksdb::MemTableInfo& info) override {
    gauge_->memtable_sealed(info.cf_name);
  }
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override {
    // How many memtables the flush took is not said: ask how many are left.
    const FamilyRef family = families_->by_name(info.cf_name);
    uint64_t waiting = 0;
    if (family != nullptr) {
      db->GetIntProperty(family->handle(), rocksdb::DB::Properties::kNumImmutableMemTable,
                         &waiting);
    }
    gauge_->memtables_waiting(info.cf_name, waiting);
  }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    if (info.condition.cur != rocksdb::WriteStallCondition::kNormal) {
      metrics::add(metrics::Counter::store_stalls);
      log::warn("RocksDB slows writes", {{"family", info.cf_name}});
    }
    gauge_->stalled(info.cf_name, info.condition.cur);
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* status) override {
    (*fatal_)("background work of the store failed", *status);
  }

 private:
  PressureGauge* const gauge_;
  const Families* const families_;
  const Fatal* const fatal_;
};

}  // namespace

void PressureGauge::add(uint64_t bytes) {
  in_flight_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  metrics::add(metrics::Gauge::store_in_flight_bytes, static_cast<int64_t>(bytes));
}

void PressureGauge::subtract(uint64_t bytes) {
  in_flight_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  metrics::add(metrics::Gauge::store_in_flight_bytes, -static_cast<int64_t>(bytes));
}

Pressure PressureGauge::get() const {
  Pressure pressure;
  pressure.in_flight_bytes = in_flight_bytes_.load(std::memory_order_relaxed);
  pressure.budget_bytes = budget_bytes_.load(std::memory_order_relaxed);
  pressure.disk = disk_.load(std::memory_order_relaxed);
  return pressure;
}

void PressureGauge::memtable_sealed(const std::string& family) {
  const std::lock_guard lock(mutex_);
  ++waiting_[family];
  update();
}

void PressureGauge::memtables_waiting(const std::string& family, uint64_t count) {
  const std::lock_guard lock(mutex_);
  if (count == 0)
    waiting_.erase(family);
  else
    waiting_[family] = count;
  update();
}

void PressureGauge::stalled(const std::string& family, rocksdb::WriteStallCondition condition) {
  const std::lock_guard lock(mutex_);
  if (condition == rocksdb::WriteStallCondition::kNormal)
    stalled_.erase(family);
  else
    stalled_[family] = condition;
  update();
  if (!stalled_.empty() && on_stall_) on_stall_();
}

bool PressureGauge::stalled() const {
  const std::lock_guard lock(mutex_);
  return !stalled_.empty();
}

void PressureGauge::on_stall(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  on_stall_ = std::move(listener);
}

void PressureGauge::no_stalls() {
  const std::lock_guard lock(mutex_);
  if (stalled_.empty()) return;
  stalled_.clear();
  update();
}

void PressureGauge::pending_compaction(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  pending_compaction_bytes_ = bytes;
  update();
}

void PressureGauge::update() {
  uint64_t budget = full_budget_bytes_;
  if (pending_compaction_bytes_ >= kCompactionDebtBytes) budget /= 4;
  const bool flush_behind = std::any_of(waiting_.begin(), waiting_.end(), [](const auto& entry) {
    return entry.second >= kWaitingMemtablesLimit;
  });
  if (flush_behind) budget = std::min(budget, full_budget_bytes_ / 8);
  for (const auto& [family, condition] : stalled_) {
    const bool stopped = condition == rocksdb::WriteStallCondition::kStopped;
    budget = std::min(budget, stopped ? 0 : full_budget_bytes_ / 16);
  }
  budget_bytes_.store(budget, std::memory_order_relaxed);
}

std::shared_ptr<rocksdb::EventListener> make_listener(PressureGauge* gauge,
                                                      const Families* families,
                                                      const Fatal* fatal) {
  return std::make_shared<Listener>(gauge, families, fatal);
}

Monitor::Monitor(const RocksOptions& options, rocksdb::DB* db, PressureGauge* gauge)
    : options_(options), db_(db), gauge_(gauge) {
  poll_disk();  // the first answer of pressure() is a measured one
  gauge_->on_stall([this] {
    const std::lock_guard lock(mutex_);
    stall_began_ = true;
    wake_.notify_one();
  });
  thread_ = std::thread([this] { run(); });
}

Monitor::~Monitor() {
  gauge_->on_stall(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Monitor::run() {
  while (true) {
    const auto interval = gauge_->stalled() ? kStallPollInterval : kPollInterval;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, interval, [this] { return stop_ || stall_began_; });
      stall_began_ = false;
      if (stop_) return;
    }
    poll_disk();
    poll_compactions();
    if (!slows_writer(db_)) gauge_->no_stalls();
  }
}

void Monitor::poll_disk() {
  DiskSpace space;
  if (!disk_space(options_.data_dir, &space)) return;
  uint64_t low = options_.disk_low_bytes;
  if (low == 0) low = std::max(space.total_bytes / 20, 4 * options_.max_total_wal_bytes);
  uint64_t critical = options_.disk_critical_bytes;
  if (critical == 0) critical = low / 4;
  auto disk = Pressure::Disk::ok;
  if (space.free_bytes < low) disk = Pressure::Disk::low;
  if (space.free_bytes < critical) disk = Pressure::Disk::critical;
  gauge_->set_disk(disk);
  // The ballast is what deletes, drops and the shutdown still need when nothing else is left.
  if (disk == Pressure::Disk::critical) {
    release_ballast(options_.data_dir);
    has_ballast_ = false;
  } else if (disk == Pressure::Disk::ok && !has_ballast_) {
    has_ballast_ = make_ballast(options_.data_dir, options_.ballast_bytes);
  }
  if (disk == disk_) return;
  disk_ = disk;
  const std::initializer_list<log::Field> fields = {{"data_dir", options_.data_dir},
                                                    {"free_bytes", space.free_bytes},
                                                    {"low_bytes", low},
                                                    {"critical_bytes", critical}};
  switch (disk) {
    case Pressure::Disk::ok:
      return log::info("disk space is sufficient again", fields);
    case Pressure::Disk::low:
      return log::warn("disk space is low: no publishes", fields);
    case Pressure::Disk::critical:
      return log::error("disk space is critical", fields);
  }
}

void Monitor::poll_compactions() {
  uint64_t bytes = 0;
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kEstimatePendingCompactionBytes, &bytes);
  gauge_->pending_compaction(bytes);
}

}  // namespace headrace::storage
