// What a shard does for the quotas of tenants: publishes are let in here, whichever way they came.
#include <algorithm>

#include "broker/core/objects.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

using Load = ShardObjects::Load;

Load load_of(const Request& publish) {
  if (publish.kind == Request::Kind::publish_batch) {
    const auto& typed = static_cast<const PublishBatch&>(publish);
    return {typed.header.record_count, static_cast<int64_t>(typed.batch.size())};
  }
  Load load;
  for (const auto& item : static_cast<const PublishEvents&>(publish).items) {
    if (item.error) continue;
    ++load.events;
    const auto& fields = item.fields;
    load.bytes += static_cast<int64_t>((fields.key ? fields.key->size() : 0) +
                                       (fields.value ? fields.value->size() : 0));
    for (const auto& header : item.headers) {
      load.bytes +=
          static_cast<int64_t>(header.key.size() + (header.value ? header.value->size() : 0));
    }
  }
  return load;
}

}  // namespace

// Each publish passes here once, whichever way it came.
void ShardObjects::publish(RequestPtr request) {
  if (request->waited) return publish_in_order(std::move(request), 0);
  const Load load = load_of(*request);
  uint32_t weight = 1;
  Error error = admit(*request, load, &weight);
  if (!error && !queue_.admits(request->tenant.tenant(), limits::kPublishesWaiting)) {
    error = Error(ErrorCode::busy, "too many publishes of the tenant wait for the shard");
    error.retry_after_ms = 10;
  }
  if (error) {
    request->error = std::move(error);
    return ctx_->reply(std::move(request));
  }
  if (queue_.empty() && !set_full()) {
    weigh(weight);
    return publish_in_order(std::move(request), load.bytes);
  }
  const TenantId tenant = request->tenant.tenant();
  queue_.push(tenant, {std::move(request), load.bytes, weight});
}

// The largest of those whose events it holds: a set is never divided.
void ShardObjects::weigh(uint32_t weight) {
  set_weight_ = set_bytes_ == 0 ? weight : std::max(set_weight_, weight);
}

bool ShardObjects::set_full() const {
  const bool shared = options_.publishers->shared(ctx_->now().mono_us);
  return set_bytes_ >=
         static_cast<int64_t>(shared ? options_.shared_set_bytes : options_.set_bytes);
}

// A set in flight is in front of everything its shard takes later, whichever tenant that is of.
size_t ShardObjects::sets_in_flight() const {
  const bool shared = options_.publishers->shared(ctx_->now().mono_us);
  return shared ? limits::kSharedSetsInFlight : limits::kSetsInFlight;
}

bool ShardObjects::begin_set() {
  set_bytes_ = 0;
  set_weight_ = 1;
  if (queue_.empty()) return false;
  while (!queue_.empty() && !set_full()) {
    auto next = queue_.pop();
    weigh(next.weight);
    publish_in_order(std::move(next.request), next.bytes);
  }
  return true;
}

void ShardObjects::publish_in_order(RequestPtr request, int64_t bytes) {
  set_bytes_ += bytes;
  const bool batch = request->kind == Request::Kind::publish_batch;
  const TopicPtr& topic =
      batch ? as<PublishBatch>(*request).topic : as<PublishEvents>(*request).topic;
  if (!held_.contains(topic->id) && !must_wait(*request)) return publish_now(std::move(request));
  auto& queue = held_[topic->id];
  if (queue.size() >= limits::kRequestsWhileLoading) {
    request->error = Error(ErrorCode::loading, "too many requests wait for " + topic->name);
    return ctx_->reply(std::move(request));
  }
  request->waited = true;
  queue.push_back(std::move(request));
}

// The broker's own events are in their tenant's share, and no quota refuses them.
Error ShardObjects::admit(const Request& publish, const Load& load, uint32_t* weight) const {
  const auto& tenants = ctx_->catalog()->tenants_by_id;
  const auto found = tenants.find(publish.tenant.tenant());
  if (found == tenants.end()) return {};
  const Tenant& tenant = *found->second;
  *weight = tenant.quotas.weight;
  if (publish.tenant.caller() == nullptr) return {};
  options_.publishers->note(tenant.id, ctx_->now().mono_us);
  if (tenant.quotas.limits == Quotas().limits) return {};
  if (tenant.quotas.of(Quota::stored_bytes) > 0 && !knows_stored(tenant)) {
    Error error(ErrorCode::loading, "what the tenant stores is being counted");
    error.retry_after_ms = 100;
    return error;
  }
  return admit_publish(tenant.quotas, tenant.use.get(), load.events, load.bytes,
                       ctx_->now().mono_us);
}

// Once all partitions of the tenant, in whatever shard, were loaded; what they change they count.
bool ShardObjects::knows_stored(const Tenant& tenant) const {
  if (tenant.use->stored_known.load(std::memory_order_relaxed)) return true;
  int64_t partitions = 0;
  const auto& topics = ctx_->catalog()->topics;
  for (auto at = topics.lower_bound({tenant.id, ""});
       at != topics.end() && at->first.first == tenant.id; ++at) {
    if (at->second->state == Topic::State::active) partitions += at->second->partitions;
  }
  if (tenant.use->stored_partitions.load() < partitions) return false;
  tenant.use->stored_known.store(true);
  // Another reactor may have dropped some in between: it says so before or behind this.
  if (tenant.use->stored_partitions.load() >= partitions) return true;
  tenant.use->stored_known.store(false);
  return false;
}

void ShardObjects::note_stored(TenantId tenant) const {
  const auto& tenants = ctx_->catalog()->tenants_by_id;
  const auto found = tenants.find(tenant);
  if (found == tenants.end() || found->second->quotas.of(Quota::stored_bytes) == 0) return;
  knows_stored(*found->second);
}

void ShardObjects::count_stored() {
  for (const auto& [id, tenant] : ctx_->catalog()->tenants_by_id) {
    if (tenant->quotas.of(Quota::stored_bytes) == 0 || knows_stored(*tenant)) continue;
    const auto& topics = ctx_->catalog()->topics;
    for (auto at = topics.lower_bound({id, ""}); at != topics.end() && at->first.first == id;
         ++at) {
      const TopicPtr& topic = at->second;
      if (topic->shard != id_ || topic->state != Topic::State::active) continue;
      for (uint32_t i = 0; i < topic->partitions; ++i) open(topic, PartitionId(i));
    }
  }
}

}  // namespace headrace::core
