// The requests that change the catalog. Loading and snapshots: catalog_store.cc.
#include <algorithm>

#include "broker/core/api_acked.h"
#include "broker/core/audit.h"
#include "broker/core/catalog_deletes.h"
#include "broker/core/catalog_rows.h"
#include "broker/core/catalog_store.h"
#include "broker/core/declared_again.h"
#include "broker/core/option_changes.h"
#include "broker/core/system_events.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

constexpr int64_t kProducerBlock = 1'000;

Error check_retention(const Retention& retention) {
  auto negative = [](const auto& limit) { return limit.has_value() && *limit <= 0; };
  if (negative(retention.age_us))
    return Error(ErrorCode::invalid_request, "retention.age must be positive");
  if (negative(retention.bytes))
    return Error(ErrorCode::invalid_request, "retention.bytes must be positive");
  if (negative(retention.events))
    return Error(ErrorCode::invalid_request, "retention.events must be positive");
  return {};
}

Error check_dedup(const Dedup& dedup) {
  if (dedup.window_us == 0) return {};
  if (dedup.window_us < limits::kDedupWindowUsMin || dedup.window_us > limits::kDedupWindowUsMax) {
    return Error(ErrorCode::invalid_request, "dedup.window: 1 s to 7 d");
  }
  if (dedup.max_ids == 0 || dedup.max_ids > limits::kDedupIdsMax) {
    return Error(ErrorCode::invalid_request,
                 "dedup.max_ids: 1 to " + std::to_string(limits::kDedupIdsMax));
  }
  return {};
}

}  // namespace

void CatalogStore::create_topic(std::unique_ptr<CreateTopic> request) {
  const TenantId tenant = request->tenant.tenant();
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (request->system) {
    if (TopicPtr existing = newest_->topic(tenant, request->name)) {
      request->topic = existing;
      return ctx_->reply_committed(std::move(request), newest_change());
    }
  } else if (Error error = check_name("topic", request->name)) {
    return refuse(std::move(error));
  }
  if (request->partitions == 0 || request->partitions > limits::kPartitionsPerTopic) {
    return refuse(Error(ErrorCode::invalid_request,
                        "partitions: 1 to " + std::to_string(limits::kPartitionsPerTopic) +
                            ", got " + std::to_string(request->partitions)));
  }
  if (Error error = check_retention(request->retention)) return refuse(std::move(error));
  if (Error error = check_dedup(request->dedup)) return refuse(std::move(error));
  if (TopicPtr existing = newest_->topic(tenant, request->name)) {
    if (existing->state == Topic::State::deleting) {
      return refuse(Error(ErrorCode::topic_deleting, request->name));
    }
    if (!request->if_missing || existing->partitions != request->partitions ||
        existing->retention != request->retention || existing->dedup != request->dedup) {
      return refuse(Error(ErrorCode::topic_exists, topic_exists_as(*existing, *request)));
    }
    request->topic = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  const TenantPtr of = newest_->tenant(tenant);
  if (of == nullptr || of->state == Tenant::State::deleting) {
    return refuse(Error(ErrorCode::unknown_tenant));
  }
  const size_t topics = count_of(newest_->topics, tenant);
  if (!request->system) {
    const size_t own = newest_->topic(tenant, kSystemTopic) == nullptr ? topics : topics - 1;
    if (Error error = check_count(tenant, Quota::topics, own)) return refuse(std::move(error));
  }
  if (topics >= limits::kTopicsPerTenant) {
    return refuse(Error(ErrorCode::limit_reached,
                        std::to_string(limits::kTopicsPerTenant) + " topics per tenant"));
  }
  auto topic = std::make_shared<Topic>();
  topic->tenant = tenant;
  topic->id = TopicId(static_cast<uint32_t>(take_ids(kTopicEntity, 1)));
  topic->name = request->name;
  topic->partitions = request->partitions;
  topic->retention = request->retention;
  topic->dedup = request->dedup;
  topic->created_us = ctx_->now().wall_us;
  topic->shard = shard_of(tenant, topic->id, shards_);
  put_topic(topic);
  ctx_->audit().note(request->tenant, {AuditAction::topic_created, "topic " + topic->name, "", {}});
  request->topic = topic;
  request->created = true;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::delete_topic(std::unique_ptr<DeleteTopic> request) {
  TopicPtr topic = newest_->topic(request->tenant.tenant(), request->name);
  if (topic == nullptr) {
    request->error = Error(ErrorCode::unknown_topic, "'" + request->name + "'");
    return ctx_->reply(std::move(request));
  }
  if (topic->name == kSystemTopic) {
    request->error = Error(ErrorCode::invalid_request, "topic: '$sys' is the broker's own");
    return ctx_->reply(std::move(request));
  }
  request->id = topic->id;
  if (topic->state != Topic::State::deleting) {
    auto marked = std::make_shared<Topic>(*topic);
    marked->state = Topic::State::deleting;
    put_topic(marked);
    ctx_->writes(this).strengthen(Durability::durable);
    ctx_->audit().note(request->tenant,
                       {AuditAction::topic_deleted, "topic " + topic->name, "", {}});
    purge(marked);
  }
  deleting_.push_back(std::move(request));
}

// The owner removes the data only after the mark is durable: the request waits for the set.
void CatalogStore::purge(const TopicPtr& topic) {
  auto request = std::make_unique<PurgeTopic>(Access::node(topic->tenant));
  request->topic = topic;
  request->shard = topic->shard;
  purges_.push_back({ctx_->sequence(), std::move(request)});
  ctx_->writes(this);
}

void CatalogStore::purge(const GroupPtr& group, const TopicPtr& topic) {
  auto request = std::make_unique<PurgeGroup>(Access::node(group->tenant));
  request->topic = topic;
  request->group = group;
  request->only_if_empty = group->state != GroupRecord::State::deleting;
  request->shard = topic->shard;
  purges_.push_back({ctx_->sequence(), std::move(request)});
  ctx_->writes(this);
}

void CatalogStore::ensure_group(std::unique_ptr<EnsureGroup> request) {
  const TenantId tenant = request->tenant.tenant();
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = check_name("group", request->name)) return refuse(std::move(error));
  if (GroupPtr existing = newest_->group(tenant, request->name)) {
    if (existing->topic != request->topic->id) {
      return refuse(Error(ErrorCode::group_topic_mismatch, request->name));
    }
    if (existing->kind != GroupRecord::Kind::positional) {
      return refuse(Error(ErrorCode::group_kind, request->name + " is acked: subscribe to it"));
    }
    request->group = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  GroupRecord record;
  record.name = request->name;
  if (Error error =
          add_group(request->tenant, request->topic, std::move(record), &request->group)) {
    return refuse(std::move(error));
  }
  ctx_->reply_committed(std::move(request), Durability::durable);
}

// A new group of either kind; its name has been checked.
Error CatalogStore::add_group(const TenantContext& who, const TopicPtr& asked, GroupRecord record,
                              GroupPtr* made) {
  const TenantId tenant = who.tenant();
  TopicPtr topic = newest_->topic(tenant, asked->id);
  if (topic == nullptr || topic->state != Topic::State::active) {
    return Error(ErrorCode::unknown_topic, "'" + asked->name + "'");
  }
  const size_t groups = count_of(newest_->groups, tenant);
  if (Error error = check_count(tenant, Quota::groups, groups)) return error;
  if (groups >= limits::kGroupsPerTenant) {
    return Error(ErrorCode::limit_reached,
                 std::to_string(limits::kGroupsPerTenant) + " groups per tenant");
  }
  auto group = std::make_shared<GroupRecord>(std::move(record));
  group->tenant = tenant;
  group->id = GroupId(static_cast<uint32_t>(take_ids(kGroupEntity, 1)));
  group->topic = topic->id;
  group->created_us = ctx_->now().wall_us;
  put_group(group);
  ctx_->audit().note(
      who, {AuditAction::group_created, "group " + group->name, "", {{"topic", "", topic->name}}});
  *made = std::move(group);
  return {};
}

// Declaring an equal group again is a success: programs do it at every start.
void CatalogStore::create_group(std::unique_ptr<CreateGroup> request) {
  const TenantId tenant = request->tenant.tenant();
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  if (Error error = check_name("group", request->name)) return refuse(std::move(error));
  if (Error error = check_options(request->options)) return refuse(std::move(error));
  if (GroupPtr existing = newest_->group(tenant, request->name)) {
    if (existing->topic != request->topic->id) {
      return refuse(Error(ErrorCode::group_topic_mismatch, request->name));
    }
    if (existing->kind != GroupRecord::Kind::acked) {
      return refuse(Error(ErrorCode::group_kind, request->name + " is positional"));
    }
    if (!request->if_missing || existing->options != request->options) {
      return refuse(Error(ErrorCode::group_exists,
                          group_exists_as(request->name, existing->options, request->options)));
    }
    request->group = existing;
    return ctx_->reply_committed(std::move(request), newest_change());
  }
  GroupRecord record;
  record.name = request->name;
  record.kind = GroupRecord::Kind::acked;
  record.options = request->options;
  if (Error error =
          add_group(request->tenant, request->topic, std::move(record), &request->group)) {
    return refuse(std::move(error));
  }
  request->created = true;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

void CatalogStore::update_group(std::unique_ptr<UpdateGroup> request) {
  auto refuse = [&](Error error) {
    request->error = std::move(error);
    ctx_->reply(std::move(request));
  };
  const GroupPtr existing = newest_->group(request->tenant.tenant(), request->name);
  if (existing == nullptr) return refuse(Error(ErrorCode::unknown_group, request->name));
  if (existing->kind != GroupRecord::Kind::acked) {
    return refuse(Error(ErrorCode::group_kind, request->name + " is positional"));
  }
  if (request->if_version != 0 && request->if_version != existing->version) {
    return refuse(Error(ErrorCode::version_conflict,
                        request->name + " is at version " + std::to_string(existing->version)));
  }
  if (Error error = check_options(request->options)) return refuse(std::move(error));
  if (request->options.from != existing->options.from) {
    return refuse(Error(ErrorCode::invalid_request, "from: is fixed when the group is made"));
  }
  if (request->options.ordering != existing->options.ordering) {
    return refuse(Error(ErrorCode::invalid_request, "ordering: is fixed when the group is made"));
  }
  auto changed = std::make_shared<GroupRecord>(*existing);
  changed->options = request->options;
  ++changed->version;
  put_group(changed);
  ctx_->audit().note(request->tenant, {AuditAction::group_updated, "group " + changed->name, "",
                                       option_changes(existing->options, changed->options)});
  request->group = changed;
  ctx_->reply_committed(std::move(request), Durability::durable);
}

// The owner says whether it has members; only then is the name given up.
void CatalogStore::delete_group(std::unique_ptr<DeleteGroup> request) {
  GroupPtr group = newest_->group(request->tenant.tenant(), request->name);
  TopicPtr topic = group == nullptr ? nullptr : newest_->topic(group->tenant, group->topic);
  if (topic == nullptr) {
    request->error = Error(ErrorCode::unknown_group, "'" + request->name + "'");
    return ctx_->reply(std::move(request));
  }
  purge(group, topic);
  deleting_.push_back(std::move(request));
}

void CatalogStore::init_producer(std::unique_ptr<InitProducer> request) {
  if (next_producer_ == producer_block_end_) {
    next_producer_ = take_ids(kProducerIds, kProducerBlock);
    producer_block_end_ = next_producer_ + kProducerBlock;
    producer_block_sequence_ = ctx_->sequence();
    ctx_->writes(this).strengthen(Durability::durable);
  }
  request->producer = ProducerId(next_producer_++);
  request->producer_epoch = 0;
  ctx_->reply_committed(std::move(request), producer_block_sequence_);
}

// Owners' answers: the data is gone, so the row can go; or it could not go yet.
void CatalogStore::on_reply(RequestPtr reply) {
  if (reply->kind == Request::Kind::purge_topic) {
    auto& purged = as<PurgeTopic>(*reply);
    const TenantId tenant = purged.topic->tenant;
    TopicPtr topic = newest_->topic(tenant, purged.topic->id);
    if (!purged.error && topic != nullptr) {
      if (const auto receipt = receipts_.find(tenant); receipt != receipts_.end()) {
        receipt->second.events += purged.events;
        receipt->second.bytes += purged.bytes;
      }
      remove_topic(*topic);
      finish_tenant(tenant);
    }
    finish_deletes(purged.error, [&](const Request& waiting) {
      return waiting.kind == Request::Kind::delete_topic &&
             static_cast<const DeleteTopic&>(waiting).id == purged.topic->id;
    });
    return;
  }
  auto& purged = as<PurgeGroup>(*reply);
  GroupPtr group = newest_->group(purged.group->tenant, purged.group->name);
  const auto asked = [&](const Request& waiting) {
    return waiting.kind == Request::Kind::delete_group &&
           waiting.tenant.tenant() == purged.group->tenant &&
           static_cast<const DeleteGroup&>(waiting).name == purged.group->name;
  };
  if (!purged.error && group != nullptr && group->id == purged.group->id) {
    remove_group(*group);
    const auto who = std::ranges::find_if(deleting_, [&](const auto& one) { return asked(*one); });
    ctx_->audit().note(who != deleting_.end() ? (*who)->tenant : purged.tenant,
                       {AuditAction::group_deleted, "group " + group->name, "", {}});
  }
  finish_deletes(purged.error, asked);
}

void CatalogStore::drop(const Error& error) {
  state_ = State::failed;  // what workers still answer is written no more
  for (auto* queue : {&waiting_, &deleting_}) {
    for (auto& request : *queue) {
      request->error = error;
      ctx_->reply(std::move(request));
    }
    queue->clear();
  }
  purges_.clear();
}

}  // namespace headrace::core
