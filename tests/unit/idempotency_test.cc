#include "broker/admin/idempotency.h"

#include <gtest/gtest.h>

#include "broker/limits.h"

namespace headrace::admin {
namespace {

constexpr int64_t kIdempotencySecondUs = 1'000'000;

Idempotency::Key key_of(const std::string& key, const std::string& caller = "a",
                        uint32_t tenant = 1) {
  return {TenantId(tenant), caller, key};
}

http::Response answer_of(int status, std::string body = "{}") {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

class IdempotencyTest : public testing::Test {
 protected:
  // What begin() says: "new", "kept STATUS", or the error's name.
  std::string begin(const Idempotency::Key& key, int64_t now_us, std::string_view request = "r") {
    http::Response kept;
    const core::Error error = table_.begin(key, sha256({request}), now_us, &kept);
    if (error) return std::string(core::info(error.code).name);
    return kept.status == 0 ? "new" : "kept " + std::to_string(kept.status);
  }
  void done(const Idempotency::Key& key, std::string body = "{}") {
    ASSERT_EQ(begin(key, 0), "new");
    const int status = body == "{}" ? 201 : 200;
    table_.finish(key, answer_of(status, std::move(body)), 0);
  }

  Idempotency table_;
};

TEST_F(IdempotencyTest, AnAnswerIsGivenAgainForAnHour) {
  EXPECT_EQ(begin(key_of("k"), 0), "new");
  EXPECT_EQ(begin(key_of("k"), 1), "idempotency_pending");
  EXPECT_EQ(begin(key_of("k"), 1, "other"), "idempotency_mismatch");
  table_.finish(key_of("k"), answer_of(201), 2);
  EXPECT_EQ(begin(key_of("k"), 3), "kept 201");
  EXPECT_EQ(begin(key_of("k"), 3, "other"), "idempotency_mismatch");
  EXPECT_EQ(begin(key_of("k", "b"), 3), "new");
  EXPECT_EQ(begin(key_of("k"), limits::kIdempotencyUs + 1), "kept 201");
  EXPECT_EQ(begin(key_of("k"), limits::kIdempotencyUs + 2), "new");
}

TEST_F(IdempotencyTest, WhatWasRefusedOrLostMayBeSentAgain) {
  EXPECT_EQ(begin(key_of("k"), 0), "new");
  table_.finish(key_of("k"), answer_of(503), 1);
  EXPECT_EQ(begin(key_of("k"), 2, "other"), "new");
  EXPECT_EQ(begin(key_of("k"), 3, "other"), "idempotency_pending");
  EXPECT_EQ(begin(key_of("k"), 700 * kIdempotencySecondUs), "new");  // its answer never came
}

TEST_F(IdempotencyTest, SecretsAndLargeAnswersAreNotKept) {
  EXPECT_EQ(begin(key_of("s"), 0), "new");
  http::Response secret = answer_of(201, "secret");
  secret.headers.emplace_back("Cache-Control", "no-store");
  table_.finish(key_of("s"), secret, 1);
  EXPECT_EQ(begin(key_of("s"), 2), "idempotency_spent");
  EXPECT_EQ(begin(key_of("l"), 0), "new");
  table_.finish(key_of("l"), answer_of(200, std::string(limits::kIdempotencyAnswerBytes + 1, 'x')),
                1);
  EXPECT_EQ(begin(key_of("l"), 2), "idempotency_spent");
  EXPECT_EQ(table_.size_bytes(), 0u);
}

TEST_F(IdempotencyTest, KeysOfACallerAndOfAllAreBounded) {
  const size_t most = limits::kIdempotencyKeysPerActor;
  EXPECT_EQ(begin(key_of("k", "other"), 0), "new");
  for (size_t i = 0; i <= most; ++i) {
    ASSERT_EQ(begin(key_of(std::to_string(i)), 0), "new");
    table_.finish(key_of(std::to_string(i)), answer_of(201), 0);
  }
  EXPECT_EQ(table_.size(), most + 1);  // the other caller's is untouched
  EXPECT_EQ(begin(key_of("1"), 1), "kept 201");
  EXPECT_EQ(begin(key_of("0"), 1), "new");
}

// One tenant fills its part and then forgets its own; another one's keys are untouched.
TEST_F(IdempotencyTest, KeysOfATenantAreBoundedByTheirOwn) {
  done(key_of("k", "other", 2));
  for (size_t caller = 0; caller <= limits::kIdempotencyKeysPerTenant; ++caller) {
    done(key_of("k", "c" + std::to_string(caller)));
  }
  EXPECT_EQ(table_.size(), limits::kIdempotencyKeysPerTenant + 1);
  EXPECT_EQ(begin(key_of("k", "other", 2), 1), "kept 201");
  EXPECT_EQ(begin(key_of("k", "c1"), 1), "kept 201");
  EXPECT_EQ(begin(key_of("k", "c0"), 1), "new");
}

// All together: the tenant that has most gives one.
TEST_F(IdempotencyTest, KeysOfAllTenantsAreBounded) {
  for (uint32_t tenant = 1; tenant <= 3; ++tenant) {
    const size_t keys = tenant == 3 ? 100 : limits::kIdempotencyKeysPerTenant;
    for (size_t i = 0; i < keys; ++i) done(key_of("k", "c" + std::to_string(i), tenant));
  }
  EXPECT_EQ(table_.size(), limits::kIdempotencyKeys);
  EXPECT_EQ(begin(key_of("k", "c0", 3), 1), "kept 201");
}

// What is under way is never forgotten: whoever has too much of it waits, and nobody else.
TEST_F(IdempotencyTest, WhatIsUnderWayIsKept) {
  const size_t most = limits::kIdempotencyKeysPerActor / 2;
  for (size_t i = 0; i < most; ++i) ASSERT_EQ(begin(key_of(std::to_string(i)), 0), "new");
  EXPECT_EQ(begin(key_of("more"), 0), "busy");
  EXPECT_EQ(begin(key_of("0"), 0), "idempotency_pending");
  EXPECT_EQ(begin(key_of("k", "b"), 0), "new");
  EXPECT_EQ(begin(key_of("k", "a", 2), 0), "new");
  table_.finish(key_of("0"), answer_of(201), 0);
  EXPECT_EQ(begin(key_of("more"), 0), "new");
  EXPECT_EQ(begin(key_of("later"), 0), "busy");
  EXPECT_EQ(begin(key_of("later"), 700 * kIdempotencySecondUs), "new") << "they were lost";
}

TEST_F(IdempotencyTest, ATenantWithTooMuchUnderWayWaitsAlone) {
  const size_t most = limits::kIdempotencyKeysPerTenant / 2;
  for (size_t i = 0; i < most; ++i)
    ASSERT_EQ(begin(key_of("k", "c" + std::to_string(i)), 0), "new");
  EXPECT_EQ(begin(key_of("k", "more"), 0), "busy");
  EXPECT_EQ(begin(key_of("k", "more", 2), 0), "new");
}

TEST_F(IdempotencyTest, BytesAreBounded) {
  const size_t each = limits::kIdempotencyAnswerBytes;
  const size_t fit = limits::kIdempotencyBytesPerTenant / each;
  done(key_of("k", "0", 2), std::string(each, 'x'));
  for (size_t i = 0; i <= fit; ++i) {
    const auto key = key_of("k", std::to_string(i));
    ASSERT_EQ(begin(key, 0), "new");
    table_.finish(key, answer_of(200, std::string(each, 'x')), 0);
    EXPECT_LE(table_.size_bytes(), limits::kIdempotencyBytesPerTenant + each);
  }
  EXPECT_EQ(begin(key_of("k", "0", 2), 1), "kept 200") << "another tenant's";
  EXPECT_EQ(begin(key_of("k", "0"), 1), "new");
  EXPECT_EQ(begin(key_of("k", "1"), 1), "kept 200");
}

TEST(IdempotencyFingerprint, IsOfWhatIsAskedNotOfHowItCame) {
  http::Request request;
  request.method = "POST";
  request.segments = {"v1", "topics"};
  request.headers = {{"Content-Type", "application/json"}, {"User-Agent", "a"}};
  request.body = "{}";
  const Sha256 first = Idempotency::fingerprint(request);
  http::Request same = request;
  same.headers = {{"content-type", "application/json"}, {"User-Agent", "b"}};
  EXPECT_EQ(Idempotency::fingerprint(same), first);
  const auto changed = [&](auto change) {
    http::Request other = request;
    change(&other);
    return Idempotency::fingerprint(other) != first;
  };
  EXPECT_TRUE(changed([](http::Request* r) { r->method = "PATCH"; }));
  EXPECT_TRUE(changed([](http::Request* r) { r->segments = {"v1", "to", "pics"}; }));
  EXPECT_TRUE(changed([](http::Request* r) { r->query = {{"a", "b"}}; }));
  EXPECT_TRUE(changed([](http::Request* r) { r->body = "{} "; }));
  EXPECT_TRUE(changed([](http::Request* r) { r->headers.emplace_back("CE-id", "1"); }));
  EXPECT_TRUE(changed([](http::Request* r) { r->headers.emplace_back("If-Match", "\"1\""); }));
}

}  // namespace
}  // namespace headrace::admin
