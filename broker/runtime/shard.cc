#include "broker/runtime/shard.h"

#include <algorithm>

#include "broker/limits.h"
#include "metrics/big_endian.h"
#include "metrics/counters.h"
#include "metrics/log.h"
#include "storage/byte_reader.h"

namespace headrace::runtime {
namespace {

constexpr storage::Place kNodeState{storage::Table::state, Month(0), kNodeTenant};

template <class T>
T integer_or_zero(const storage::Read::Item& item) {
  if (!item.found || item.value.size() < sizeof(T)) return 0;
  return load_be<T>(item.value.data());
}

std::string big_endian_string(uint32_t value) {
  std::string bytes(sizeof(value), '\0');
  store_be(reinterpret_cast<std::byte*>(bytes.data()), value);
  return bytes;
}

}  // namespace

Shard::Shard(ShardId id, Services* services) : id_(id), services_(services) {
  make_objects();
}

void Shard::make_objects() {
  objects_ = std::make_unique<core::ShardObjects>(id_, this, services_->shard_options());
}

Shard::~Shard() = default;

void Shard::start() {
  HR_CHECK(state_ == State::stopped && in_flight_.empty());
  state_ = State::loading;
  load_.shard = this;
  load_.sink = &services_->inbox();
  load_.status = storage::Status::ok;
  load_.items.clear();
  load_.items.push_back({kNodeState, storage::epoch_key(id_), {}, false});
  load_.items.push_back({kNodeState, storage::applied_key(id_), {}, false});
  services_->store().read(&load_);
}

void Shard::on_loaded() {
  if (load_.status != storage::Status::ok) return fail_load(load_.status);
  epoch_ = Epoch(integer_or_zero<uint32_t>(load_.items[0]) + 1);
  committed_sequence_ = integer_or_zero<uint64_t>(load_.items[1]);
  next_sequence_ = committed_sequence_ + 1;
  audit_heads_.shard = this;
  audit_heads_.sink = &services_->inbox();
  audit_heads_.status = storage::Status::ok;
  audit_heads_.rows.clear();
  audit_heads_.more = false;
  audit_heads_.place = kNodeState;
  audit_heads_.from = storage::audit_head_prefix(id_);
  audit_heads_.to = audit_heads_.from.after_prefix();
  audit_heads_.max_rows = SIZE_MAX;  // one for a tenant
  audit_heads_.max_bytes = SIZE_MAX;
  services_->store().scan(&audit_heads_);
}

// Without its epoch nothing may be promised, without the heads no change be written down.
void Shard::fail_load(storage::Status status) {
  log::error("shard does not load; requests to it are refused",
             {{"shard", id_.value()}, {"status", storage::to_string(status)}});
  for (auto& request : waiting_) {
    request->error = core::Error(core::from_store(status), "loading its shard");
    services_->deliver_reply(std::move(request));
  }
  waiting_.clear();
  state_ = State::stopped;
}

void Shard::on_audit_loaded() {
  if (audit_heads_.status != storage::Status::ok) return fail_load(audit_heads_.status);
  for (const auto& row : audit_heads_.rows) {
    const auto head = storage::as_text(row.value.span());
    if (!objects_->audit().load(row.key.view(), head)) return fail_load(storage::Status::corrupt);
  }
  audit_heads_.rows.clear();
  // The raised epoch is durable before anything is answered under it.
  state_ = State::ready;
  auto& set = writes(nullptr);
  set.put(kNodeState, storage::epoch_key(id_), big_endian_string(epoch_.value()));
  set.strengthen(Durability::durable);
  state_ = State::loading;
}

void Shard::become_ready() {
  state_ = State::ready;
  objects_->start();
  std::deque<core::RequestPtr> waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& request : waiting) handle(std::move(request));
}

void Shard::handle(core::RequestPtr request) {
  if (state_ == State::ready) {
    objects_->handle(std::move(request));
    if (!dirty_) {
      dirty_ = true;
      services_->mark_dirty(this);
    }
    return;
  }
  if (state_ == State::stopped || waiting_.size() >= limits::kRequestsWhileLoading) {
    request->error = core::Error(core::ErrorCode::loading, "too many requests wait for the shard");
    request->error.retry_after_ms = 100;
    services_->deliver_reply(std::move(request));
    return;
  }
  waiting_.push_back(std::move(request));
}

std::unique_ptr<Shard::InFlight> Shard::new_set() {
  auto set = spare_ != nullptr ? std::move(spare_) : std::make_unique<InFlight>();
  set->shard = this;
  set->sink = &services_->inbox();
  set->written_notice.owner = set.get();
  set->written = nullptr;
  set->status = storage::Status::ok;
  set->set.clear();
  set->set.shard = id_;
  set->set.epoch = epoch_;
  set->set.sequence = next_sequence_;
  return set;
}

storage::WriteSet& Shard::writes(core::Committable* who) {
  if (pending_ == nullptr) pending_ = new_set();
  if (!dirty_) {
    dirty_ = true;
    services_->mark_dirty(this);
  }
  if (who != nullptr && who->touched_sequence != next_sequence_) {
    who->touched_sequence = next_sequence_;
    pending_->touched.push_back(who);
  }
  return pending_->set;
}

void Shard::reply_committed(core::RequestPtr request, Durability durability) {
  writes(nullptr).strengthen(durability);
  auto& waiting = durability == Durability::durable   ? pending_->at_synced
                  : durability == Durability::written ? pending_->at_written
                                                      : pending_->at_submit;
  waiting.push_back(std::move(request));
}

void Shard::reply_committed(core::RequestPtr request, uint64_t sequence) {
  if (sequence <= committed_sequence_) {
    reply(std::move(request));
    return;
  }
  if (sequence == next_sequence_) {
    reply_committed(std::move(request), Durability::durable);
    return;
  }
  for (auto& set : in_flight_) {
    if (set->set.sequence != sequence) continue;
    set->at_synced.push_back(std::move(request));
    return;
  }
  HR_UNREACHABLE("a sequence that is neither committed nor in flight");
}

void Shard::flush() {
  dirty_ = false;
  if (state_ == State::ready) objects_->seal();
  while (in_flight_.size() < objects_->sets_in_flight()) {
    if (pending_ != nullptr) submit_set();
    // What did not fit is the next set.
    if (state_ != State::ready || !objects_->begin_set()) return;
    objects_->seal();
  }
}

void Shard::submit_set() {
  InFlight& set = *pending_;
  in_flight_.push_back(std::move(pending_));
  // The next one has to wait for a sync: it must not be one that the store puts off.
  if (in_flight_.size() >= objects_->sets_in_flight()) set.set.strengthen(Durability::durable);
  ++next_sequence_;
  if (!set.at_written.empty()) set.written = &set.written_notice;
  set.submitted_mono_us = services_->now().mono_us;
  set.weight = objects_->set_weight();
  services_->store().commit(&set);
  for (auto& request : set.at_submit) services_->deliver_reply(std::move(request));
  set.at_submit.clear();
}

void Shard::on_written(InFlight& set) {
  for (auto& request : set.at_written) services_->deliver_reply(std::move(request));
  set.at_written.clear();
}

void Shard::on_synced(InFlight& set) {
  HR_CHECK(!in_flight_.empty() && in_flight_.front().get() == &set);
  auto done = std::move(in_flight_.front());
  in_flight_.pop_front();
  metrics::record(metrics::Timing::commit_latency,
                  services_->now().mono_us - done->submitted_mono_us);
  if (done->status != storage::Status::ok || state_ == State::dropping) {
    const auto status =
        done->status == storage::Status::ok ? storage::Status::unknown : done->status;
    answer_all(services_, &done->at_written, core::from_store(status));
    answer_all(services_, &done->at_synced, core::from_store(status));
    drop_objects(status);
    return;
  }
  committed_sequence_ = done->set.sequence;
  for (core::Committable* object : done->touched) {
    if (object != nullptr) object->on_committed(*this, committed_sequence_);
  }
  for (auto& request : done->at_written) services_->deliver_reply(std::move(request));
  for (auto& request : done->at_synced) services_->deliver_reply(std::move(request));
  done->touched.clear();
  done->at_written.clear();
  done->at_synced.clear();
  done->set.clear();
  spare_ = std::move(done);
  if (state_ == State::loading) become_ready();
  if (pending_ != nullptr || objects_->waits()) services_->mark_dirty(this);
}

void Shard::drop_objects(storage::Status status) {
  if (state_ != State::dropping) {
    log::warn("dropping the shard's objects and loading again",
              {{"shard", id_.value()}, {"status", storage::to_string(status)}});
    state_ = State::dropping;
    if (pending_ != nullptr) {
      answer_all(services_, &pending_->at_submit, core::from_store(status));
      answer_all(services_, &pending_->at_written, core::from_store(status));
      answer_all(services_, &pending_->at_synced, core::from_store(status));
      pending_.reset();
    }
    for (auto& set : in_flight_) set->touched.clear();
    objects_->drop(core::from_store(status));
  }
  if (!in_flight_.empty()) return;
  state_ = State::stopped;
  make_objects();
  start();
}

void Shard::forget(core::Committable* object) {
  for (auto& set : in_flight_) {
    std::replace(set->touched.begin(), set->touched.end(), object,
                 static_cast<core::Committable*>(nullptr));
  }
  if (pending_ != nullptr) {
    std::replace(pending_->touched.begin(), pending_->touched.end(), object,
                 static_cast<core::Committable*>(nullptr));
  }
}

void Shard::count_stored() {
  if (state_ == State::ready) objects_->count_stored();
}

void Shard::write_late() {
  if (state_ != State::ready) return;
  objects_->write_late();
  if (!dirty_) {
    dirty_ = true;
    services_->mark_dirty(this);
  }
}

bool Shard::idle() const {
  return in_flight_.empty() && pending_ == nullptr && waiting_.empty() && !objects_->waits();
}

void Shard::answer_all(Services* services, std::vector<core::RequestPtr>* requests,
                       core::Error error) {
  for (auto& request : *requests) {
    request->error = error;
    services->deliver_reply(std::move(request));
  }
  requests->clear();
}

}  // namespace headrace::runtime
