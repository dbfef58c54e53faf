// The catalog: names, rows, and a store of it against a naive model, with power cuts.
#include "broker/core/catalog.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "broker/limits.h"
#include "tests/support/core_stage.h"
#include "tests/support/prng.h"

namespace headrace::core {
namespace {

TEST(CatalogNames, WhatIsAllowed) {
  for (const char* name : {"a", "orders", "a.b_c-D9", "...", "-"}) {
    EXPECT_FALSE(check_name("topic", name)) << name;
  }
  EXPECT_FALSE(check_name("topic", std::string(limits::kNameMax, 'x')));
  EXPECT_TRUE(check_name("topic", std::string(limits::kNameMax + 1, 'x')));
  for (const char* name : {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a\n"}) {
    EXPECT_EQ(check_name("topic", name).code, ErrorCode::bad_name) << name;
  }
}

TEST(CatalogNames, StrangersBytesAreNotShownAsTheyAre) {
  const Error error = check_name("group", "a\x1b[2Jb");
  EXPECT_EQ(error.detail.find('\x1b'), std::string::npos);
  EXPECT_NE(error.detail.find("a??2Jb"), std::string::npos) << error.detail;
}

TEST(CatalogShards, TheMetaShardHasTopicsOnlyWhenItIsAlone) {
  std::set<ShardId> used;
  for (uint32_t id = 1; id < 500; ++id) {
    EXPECT_EQ(shard_of(TenantId(1), TopicId(id), 1), kMetaShard);
    const ShardId shard = shard_of(TenantId(1), TopicId(id), 8);
    EXPECT_NE(shard, kMetaShard);
    EXPECT_LT(shard.value(), 8);
    used.insert(shard);
  }
  EXPECT_EQ(used.size(), 7u);
}

Retention draw_retention() {
  Retention retention;
  if (*rc::gen::arbitrary<bool>()) retention.age_us = *rc::gen::positive<int64_t>();
  if (*rc::gen::arbitrary<bool>()) retention.bytes = *rc::gen::positive<int64_t>();
  if (*rc::gen::arbitrary<bool>()) retention.events = *rc::gen::positive<int64_t>();
  if (*rc::gen::arbitrary<bool>()) retention.months = *rc::gen::arbitrary<uint32_t>();
  return retention;
}

RC_GTEST_PROP(CatalogRows, ATopicDecodesAsItWasEncoded, ()) {
  Topic topic;
  topic.tenant = TenantId(*rc::gen::arbitrary<uint32_t>());
  topic.id = TopicId(*rc::gen::arbitrary<uint32_t>());
  topic.name = "orders";
  topic.partitions = *rc::gen::inRange<uint32_t>(1, limits::kPartitionsPerTopic + 1);
  topic.retention = draw_retention();
  topic.state = *rc::gen::element(Topic::State::active, Topic::State::deleting);
  topic.created_us = *rc::gen::arbitrary<int64_t>();
  topic.shard = ShardId(*rc::gen::arbitrary<uint16_t>());
  const auto decoded = decode_topic(topic.tenant, topic.id, encode(topic));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->tenant == topic.tenant);
  RC_ASSERT(decoded->id == topic.id);
  RC_ASSERT(decoded->name == topic.name);
  RC_ASSERT(decoded->partitions == topic.partitions);
  RC_ASSERT(decoded->retention == topic.retention);
  RC_ASSERT(decoded->state == topic.state);
  RC_ASSERT(decoded->created_us == topic.created_us);
  RC_ASSERT(decoded->shard == topic.shard);
}

TEST(CatalogRows, WhatIsNoTopicIsRefused) {
  EXPECT_FALSE(decode_topic(TenantId(1), TopicId(1), ""));
  EXPECT_FALSE(decode_topic(TenantId(1), TopicId(1), "\xff\xff"));
  EXPECT_FALSE(decode_group(TenantId(1), GroupId(1), "\xff\xff"));
}

// ---- the store of it

class CatalogModel {
 public:
  struct TopicRow {
    TopicId id;
    uint32_t partitions;
    bool operator==(const TopicRow&) const = default;
  };
  struct GroupRow {
    GroupId id;
    TopicId topic;
    bool operator==(const GroupRow&) const = default;
  };
  std::map<std::string, TopicRow> topics;
  std::map<std::string, GroupRow> groups;
  bool operator==(const CatalogModel&) const = default;

  void remove_topic(const std::string& name) {
    const TopicId id = topics.at(name).id;
    topics.erase(name);
    std::erase_if(groups, [&](const auto& group) { return group.second.topic == id; });
  }
};

class CatalogHistory : public testing::TestWithParam<uint64_t> {
 protected:
  CatalogHistory() { model_ = read(); }

  std::string name() { return std::string(1, static_cast<char>('a' + prng_.below(5))); }

  CatalogModel read() const {
    CatalogModel found;
    const auto& catalog = *stage_.catalog();
    for (const auto& [key, topic] : catalog.topics) {
      EXPECT_EQ(topic->state, Topic::State::active);
      EXPECT_EQ(catalog.topic(kDefaultTenant, topic->id), topic);
      found.topics[key.second] = {topic->id, topic->partitions};
    }
    EXPECT_EQ(catalog.topics_by_id.size(), catalog.topics.size());
    for (const auto& [key, group] : catalog.groups) {
      found.groups[key.second] = {group->id, group->topic};
    }
    return found;
  }

  RequestPtr create_topic() {
    auto request = std::make_unique<CreateTopic>(Access::anonymous());
    request->name = name();
    request->partitions = static_cast<uint32_t>(prng_.between(0, 2));
    request->if_missing = prng_.chance(0.5);
    return request;
  }
  RequestPtr delete_topic() {
    auto request = std::make_unique<DeleteTopic>(Access::anonymous());
    request->name = name();
    return request;
  }
  // nullptr: there is no topic to make it for.
  RequestPtr ensure_group() {
    const auto topic = stage_.catalog()->topic(kDefaultTenant, name());
    if (topic == nullptr) return nullptr;
    auto request = std::make_unique<EnsureGroup>(Access::anonymous());
    request->name = name();
    request->topic = topic;
    return request;
  }
  RequestPtr delete_group() {
    auto request = std::make_unique<DeleteGroup>(Access::anonymous());
    request->name = name();
    return request;
  }
  RequestPtr something() {
    switch (prng_.below(5)) {
      case 0:
      case 1:
        return create_topic();
      case 2:
        return delete_topic();
      case 3:
        return ensure_group();
      default:
        return delete_group();
    }
  }

  // Changes the model as the request should, and says how it should be answered.
  ErrorCode apply(const CreateTopic& request) {
    if (request.partitions == 0) return ErrorCode::invalid_request;
    const auto known = model_.topics.find(request.name);
    if (known == model_.topics.end()) {
      if (!request.error) {
        EXPECT_TRUE(request.created);
        EXPECT_TRUE(topic_ids_.insert(request.topic->id).second) << "an id is used twice";
        model_.topics[request.name] = {request.topic->id, request.partitions};
      }
      return ErrorCode::none;
    }
    if (!request.if_missing || known->second.partitions != request.partitions) {
      return ErrorCode::topic_exists;
    }
    if (!request.error) {
      EXPECT_EQ(request.topic->id, known->second.id);
    }
    return ErrorCode::none;
  }
  ErrorCode apply(const DeleteTopic& request) {
    if (!model_.topics.contains(request.name)) return ErrorCode::unknown_topic;
    model_.remove_topic(request.name);
    return ErrorCode::none;
  }
  ErrorCode apply(const EnsureGroup& request) {
    const auto known = model_.groups.find(request.name);
    if (known != model_.groups.end()) {
      if (known->second.topic != request.topic->id) return ErrorCode::group_topic_mismatch;
      if (!request.error) {
        EXPECT_EQ(request.group->id, known->second.id);
      }
      return ErrorCode::none;
    }
    if (!request.error) {
      EXPECT_TRUE(group_ids_.insert(request.group->id).second) << "an id is used twice";
      model_.groups[request.name] = {request.group->id, request.topic->id};
    }
    return ErrorCode::none;
  }
  ErrorCode apply(const DeleteGroup& request) {
    return model_.groups.erase(request.name) > 0 ? ErrorCode::none : ErrorCode::unknown_group;
  }
  ErrorCode apply(Request& request) {
    switch (request.kind) {
      case Request::Kind::create_topic:
        return apply(as<CreateTopic>(request));
      case Request::Kind::delete_topic:
        return apply(as<DeleteTopic>(request));
      case Request::Kind::ensure_group:
        return apply(as<EnsureGroup>(request));
      default:
        return apply(as<DeleteGroup>(request));
    }
  }

  void ask_and_compare() {
    RequestPtr request = something();
    if (request == nullptr) return;
    const RequestPtr answer = stage_.answer(std::move(request));
    EXPECT_EQ(answer->error.code, apply(*answer)) << answer->error.message();
    EXPECT_EQ(read(), model_);
  }

  // Power goes while a change is on its way: it happened or it did not, and deletes go on.
  void lose_power() {
    const CatalogModel before = model_;
    RequestPtr request = something();
    std::string deleted;
    if (request != nullptr && request->kind == Request::Kind::delete_topic) {
      deleted = as<DeleteTopic>(*request).name;
    }
    const bool deletes = request != nullptr && request->kind == Request::Kind::delete_group;
    if (request != nullptr) stage_.start(std::move(request));
    if (prng_.chance(0.7)) stage_.run("write");
    if (prng_.chance(0.3)) stage_.run("sync");
    stage_.run("crash " + std::to_string(prng_.below(stage_.unsynced() + 1)));
    stage_.run("settle");
    const CatalogModel after = read();
    for (const auto& [name, row] : before.topics) {
      if (name != deleted) {
        EXPECT_TRUE(after.topics.contains(name)) << name;
      }
    }
    EXPECT_LE(after.topics.size(), before.topics.size() + 1);
    EXPECT_LE(after.groups.size(), before.groups.size() + 1);
    if (deleted.empty() && !deletes) {
      EXPECT_GE(after.groups.size(), before.groups.size());
    }
    for (const auto& [name, row] : after.groups) {
      const bool has_topic =
          std::any_of(after.topics.begin(), after.topics.end(),
                      [&](const auto& topic) { return topic.second.id == row.topic; });
      EXPECT_TRUE(has_topic) << "group " << name << " without a topic";
    }
    for (const auto& [name, row] : after.topics) topic_ids_.insert(row.id);
    for (const auto& [name, row] : after.groups) group_ids_.insert(row.id);
    model_ = after;
  }

  test::Prng prng_{GetParam()};
  test::CoreStage stage_;
  CatalogModel model_;
  std::set<TopicId> topic_ids_;
  std::set<GroupId> group_ids_;
};

TEST_P(CatalogHistory, DoesAsItsModelDoes) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    if (prng_.chance(0.1)) {
      lose_power();
    } else {
      ask_and_compare();
    }
    stage_.take_transcript();
  }
}

TEST_P(CatalogHistory, ProducerIdsAreGivenOnce) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  std::set<ProducerId> given;
  for (int i = 0; i < 2'500 && !HasFailure(); ++i) {
    const auto answer = stage_.answer(std::make_unique<InitProducer>(Access::anonymous()));
    ASSERT_FALSE(answer->error);
    EXPECT_TRUE(given.insert(answer->producer).second) << answer->producer.value();
    if (prng_.chance(0.01)) stage_.run("crash 0");
  }
  stage_.take_transcript();
}

INSTANTIATE_TEST_SUITE_P(Seeds, CatalogHistory, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace headrace::core
