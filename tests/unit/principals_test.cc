// Tenants, principals and keys on one shard: who may change whom, what a power cut leaves, who is
// let in by what.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/core/api_access.h"
#include "broker/runtime/new_key.h"
#include "tests/support/core_stage.h"

namespace headrace::core {
namespace {

class Principals : public testing::Test {
 protected:
  template <class T>
  std::unique_ptr<T> ask(const TenantContext& who, const std::function<void(T&)>& fill) {
    auto request = std::make_unique<T>(who);
    fill(*request);
    return stage_.answer(std::move(request));
  }

  ErrorCode create(const TenantContext& who, const std::string& name,
                   const std::vector<std::string>& roles, bool platform = false) {
    return ask<CreatePrincipal>(who,
                                [&](CreatePrincipal& request) {
                                  request.name = name;
                                  for (const auto& role : roles)
                                    request.grants.push_back(*parse_grant(role));
                                  request.platform = platform;
                                })
        ->error.code;
  }
  // The key's text; empty and *error if it was refused.
  std::string key(const TenantContext& who, const std::string& principal, ErrorCode* error) {
    const runtime::NewKey made = runtime::make_key();
    const auto answer = ask<CreateKey>(who, [&](CreateKey& request) {
      request.principal = principal;
      request.key = made.key;
    });
    *error = answer->error.code;
    return answer->error ? "" : made.text;
  }
  std::string key(const TenantContext& who, const std::string& principal) {
    ErrorCode error{};
    std::string text = key(who, principal, &error);
    EXPECT_EQ(error, ErrorCode::none);
    return text;
  }
  ErrorCode enter(const Credentials& credentials, TenantContext* who,
                  AnonymousRule rule = {AnonymousRule::Mode::automatic, true}) {
    return Access::enter(*stage_.catalog(), rule, credentials, now_us_, who).code;
  }
  TenantContext in(const std::string& text) {
    TenantContext who = Access::nobody();
    EXPECT_EQ(enter({.api_key = text}, &who), ErrorCode::none);
    return who;
  }
  TenantContext across(const std::string& tenant) {
    TenantContext who = Access::nobody();
    EXPECT_EQ(enter({.as_tenant = tenant, .reason = "a test"}, &who), ErrorCode::none);
    return who;
  }
  ErrorCode create_tenant(const std::string& name) {
    return ask<CreateTenant>(Access::anonymous(),
                             [&](CreateTenant& request) { request.name = name; })
        ->error.code;
  }

  int64_t now_us_ = 1'800'000'000'000'000;
  test::CoreStage stage_;
};

TEST_F(Principals, AKeyLetsInAndSurvivesAPowerCut) {
  ASSERT_EQ(create(Access::anonymous(), "mail", {"consumer"}), ErrorCode::none);
  const std::string text = key(Access::anonymous(), "mail");
  stage_.run("crash 0");
  stage_.run("settle");
  const TenantContext who = in(text);
  EXPECT_EQ(who.actor(), "mail");
  EXPECT_EQ(who.tenant(), kDefaultTenant);
  EXPECT_TRUE(who.may(Permission::consume, "orders"));
  EXPECT_FALSE(who.may(Permission::publish));
  stage_.take_transcript();
}

TEST_F(Principals, WhatIsNoKeyIsRefusedAlike) {
  ASSERT_EQ(create(Access::anonymous(), "mail", {"consumer"}), ErrorCode::none);
  const std::string text = key(Access::anonymous(), "mail");
  TenantContext who = Access::nobody();
  std::string other = text;
  other.back() = other.back() == 'A' ? 'B' : 'A';
  std::string foreign = text;
  foreign[5] = foreign[5] == '0' ? '1' : '0';
  for (const std::string& wrong :
       {other, foreign, text.substr(0, text.size() - 1), text + "A", std::string("hr_"),
        std::string("x"), std::string(1'000'000, 'h'), std::string("hr_\0\0\0", 6)}) {
    EXPECT_EQ(enter({.api_key = wrong}, &who), ErrorCode::unauthenticated);
  }
  stage_.take_transcript();
}

TEST_F(Principals, AnExpiredOrRevokedKeyIsOver) {
  ASSERT_EQ(create(Access::anonymous(), "mail", {"consumer"}), ErrorCode::none);
  const runtime::NewKey made = runtime::make_key();
  const auto created = ask<CreateKey>(Access::anonymous(), [&](CreateKey& request) {
    request.principal = "mail";
    request.key = made.key;
    request.expires_after_us = 60 * kMicrosPerSecond;
  });
  ASSERT_FALSE(created->error);
  now_us_ = created->key.expires_us - 1;
  const TenantContext who = in(made.text);
  const AnonymousRule rule;
  EXPECT_FALSE(Access::recheck(who, *stage_.catalog(), rule, now_us_));
  EXPECT_EQ(Access::recheck(who, *stage_.catalog(), rule, now_us_ + 1).code,
            ErrorCode::access_changed);
  ++now_us_;
  TenantContext late = Access::nobody();
  EXPECT_EQ(enter({.api_key = made.text}, &late), ErrorCode::unauthenticated);

  const std::string second = key(Access::anonymous(), "mail");
  const TenantContext holder = in(second);
  const auto revoked = ask<RevokeKey>(
      Access::anonymous(), [&](RevokeKey& request) { request.id = std::string(*key_id(second)); });
  EXPECT_FALSE(revoked->error);
  EXPECT_EQ(enter({.api_key = second}, &late), ErrorCode::unauthenticated);
  EXPECT_EQ(Access::recheck(holder, *stage_.catalog(), rule, now_us_).code,
            ErrorCode::access_changed);
  stage_.take_transcript();
}

TEST_F(Principals, NobodyIsCalledAsTheAuditTrailCallsOthers) {
  for (const char* name : {"broker", "anonymous", "nobody"}) {
    EXPECT_EQ(create(Access::anonymous(), name, {"consumer"}), ErrorCode::bad_name) << name;
  }
  for (const char* name : {"", "a b", "default/mail", "$sys"}) {
    EXPECT_EQ(create(Access::anonymous(), name, {"consumer"}), ErrorCode::bad_name) << name;
  }
  stage_.take_transcript();
}

// A request that was under way while its tenant was deleted.
TEST_F(Principals, NothingIsMadeInATenantThatIsGone) {
  ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
  const TenantContext acme = across("acme");
  ASSERT_FALSE(
      ask<DeleteTenant>(Access::anonymous(), [](DeleteTenant& r) { r.name = "acme"; })->error);
  EXPECT_EQ(create(acme, "late", {"owner"}), ErrorCode::unknown_tenant);
  EXPECT_EQ(ask<CreateTopic>(acme, [](CreateTopic& r) { r.name = "late"; })->error.code,
            ErrorCode::unknown_tenant);
  EXPECT_EQ(ask<NoteAction>(acme, [](NoteAction&) {})->error.code, ErrorCode::unknown_tenant);
  // Its number is not given to the next one.
  ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
  EXPECT_NE(stage_.catalog()->tenant("acme")->id, acme.tenant());
  stage_.take_transcript();
}

TEST_F(Principals, NobodyHandsOutWhatTheyLack) {
  ASSERT_EQ(create(Access::anonymous(), "boss", {"owner"}), ErrorCode::none);
  ASSERT_EQ(create(Access::anonymous(), "ada", {"admin"}), ErrorCode::none);
  const TenantContext admin = in(key(Access::anonymous(), "ada"));
  EXPECT_EQ(create(admin, "eve", {"owner"}), ErrorCode::forbidden);
  EXPECT_EQ(create(admin, "eve", {"producer"}, true), ErrorCode::forbidden);
  EXPECT_EQ(create(admin, "bob", {"producer"}), ErrorCode::none);
  // Not by way of somebody who has it, nor by taking it away.
  ErrorCode error{};
  EXPECT_EQ(key(admin, "boss", &error), "");
  EXPECT_EQ(error, ErrorCode::forbidden);
  EXPECT_EQ(ask<DeletePrincipal>(admin, [](DeletePrincipal& r) { r.name = "boss"; })->error.code,
            ErrorCode::forbidden);
  const auto update = [&](const char* name, const char* role) {
    return ask<UpdatePrincipal>(admin,
                                [&](UpdatePrincipal& r) {
                                  r.name = name;
                                  r.grants = {{*parse_grant(role)}};
                                })
        ->error.code;
  };
  EXPECT_EQ(update("boss", "consumer"), ErrorCode::forbidden);
  EXPECT_EQ(update("ada", "owner"), ErrorCode::forbidden);
  EXPECT_EQ(update("bob", "consumer"), ErrorCode::none);
  stage_.take_transcript();
}

TEST_F(Principals, AnotherTenantAndNoneLookAlike) {
  ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
  ASSERT_EQ(create(Access::anonymous(), "mail", {"owner"}), ErrorCode::none);
  const std::string text = key(Access::anonymous(), "mail");
  TenantContext who = Access::nobody();
  EXPECT_EQ(enter({.api_key = text, .tenant = "default"}, &who), ErrorCode::none);
  EXPECT_EQ(enter({.api_key = text, .tenant = "acme"}, &who), ErrorCode::unknown_tenant);
  EXPECT_EQ(enter({.api_key = text, .tenant = "nobody"}, &who), ErrorCode::unknown_tenant);
  for (const char* tenant : {"acme", "nobody"}) {
    EXPECT_EQ(enter({.api_key = text, .as_tenant = tenant, .reason = "curious"}, &who),
              ErrorCode::forbidden);
  }
  // What one tenant has the other cannot touch, by name or by id.
  const TenantContext acme = across("acme");
  EXPECT_EQ(ask<DeletePrincipal>(acme, [](DeletePrincipal& r) { r.name = "mail"; })->error.code,
            ErrorCode::unknown_principal);
  EXPECT_EQ(
      ask<RevokeKey>(acme, [&](RevokeKey& r) { r.id = std::string(*key_id(text)); })->error.code,
      ErrorCode::unknown_key);
  EXPECT_TRUE(ask<ListKeys>(acme, [](ListKeys&) {})->rows.empty());
  stage_.take_transcript();
}

TEST_F(Principals, CrossingNeedsAReasonAndIsNoPlatform) {
  ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
  TenantContext who = Access::nobody();
  EXPECT_EQ(enter({.as_tenant = "acme"}, &who), ErrorCode::invalid_request);
  EXPECT_EQ(enter({.as_tenant = "other", .reason = "x"}, &who), ErrorCode::unknown_tenant);
  const TenantContext inside = across("acme");
  EXPECT_EQ(inside.actor(), "default/anonymous");
  EXPECT_TRUE(inside.may(Permission::own, "x"));
  EXPECT_TRUE(inside.require(Permission::platform));
  EXPECT_EQ(create(inside, "eve", {"owner"}, true), ErrorCode::invalid_request);
  stage_.take_transcript();
}

TEST_F(Principals, AnonymousEndsWithThePlatformOwnersKey) {
  TenantContext who = Access::nobody();
  const auto anonymous = [&](AnonymousRule rule) { return enter({}, &who, rule); };
  using Mode = AnonymousRule::Mode;
  EXPECT_EQ(anonymous({Mode::automatic, true}), ErrorCode::none);
  EXPECT_EQ(anonymous({Mode::automatic, false}), ErrorCode::unauthenticated);
  EXPECT_EQ(anonymous({Mode::never, true}), ErrorCode::unauthenticated);
  EXPECT_EQ(anonymous({Mode::always, false}), ErrorCode::none);
  const TenantContext visitor = Access::anonymous();
  ASSERT_EQ(create(visitor, "mail", {"consumer"}), ErrorCode::none);
  key(visitor, "mail");
  EXPECT_EQ(anonymous({Mode::automatic, true}), ErrorCode::none);
  ASSERT_EQ(create(visitor, "root", {"owner"}, true), ErrorCode::none);
  EXPECT_EQ(anonymous({Mode::automatic, true}), ErrorCode::none);
  key(visitor, "root");
  EXPECT_EQ(anonymous({Mode::automatic, true}), ErrorCode::unauthenticated);
  EXPECT_EQ(Access::recheck(visitor, *stage_.catalog(), {Mode::automatic, true}, now_us_).code,
            ErrorCode::access_changed);
  stage_.take_transcript();
}

TEST_F(Principals, ACertificateIsItsPrincipals) {
  const TenantContext visitor = Access::anonymous();
  const auto made = ask<CreatePrincipal>(visitor, [](CreatePrincipal& request) {
    request.name = "mail";
    request.grants = {{Role::consumer, ""}};
    request.subjects = {"CN=mail,O=Example"};
  });
  ASSERT_FALSE(made->error);
  TenantContext who = Access::nobody();
  const AnonymousRule closed{AnonymousRule::Mode::never, true};
  EXPECT_EQ(enter({.subject = "CN=mail,O=Example"}, &who, closed), ErrorCode::none);
  EXPECT_EQ(who.actor(), "mail");
  EXPECT_FALSE(Access::recheck(who, *stage_.catalog(), closed, now_us_));
  EXPECT_EQ(enter({.subject = "CN=mail"}, &who, closed), ErrorCode::unauthenticated);
  // Where anybody is let in, a certificate of nobody's is no worse than none.
  EXPECT_EQ(enter({.subject = "CN=mail"}, &who), ErrorCode::none);
  EXPECT_EQ(who.actor(), "anonymous");
  // One certificate is one principal's.
  const auto second = ask<CreatePrincipal>(visitor, [](CreatePrincipal& request) {
    request.name = "other";
    request.subjects = {"CN=mail,O=Example"};
  });
  EXPECT_EQ(second->error.code, ErrorCode::invalid_request);
  EXPECT_EQ(ask<UpdatePrincipal>(visitor,
                                 [](UpdatePrincipal& request) {
                                   request.name = "mail";
                                   request.subjects.emplace();
                                 })
                ->error.code,
            ErrorCode::none);
  EXPECT_EQ(enter({.subject = "CN=mail,O=Example"}, &who, closed), ErrorCode::unauthenticated);
  stage_.take_transcript();
}

TEST_F(Principals, APasswordIsDerivedKeptAndTakenAway) {
  const TenantContext visitor = Access::anonymous();
  ASSERT_EQ(create(visitor, "mail", {"consumer"}), ErrorCode::none);
  ASSERT_EQ(create(visitor, "root", {"owner"}, true), ErrorCode::none);
  const auto set = [&](const TenantContext& who, const char* name, const char* password) {
    return ask<SetPassword>(who, [&](SetPassword& request) {
      const runtime::NewSalts salts = runtime::make_salts();
      request.principal = name;
      request.password = password;
      request.salt = salts.salt;
      request.login_secret = salts.login_secret;
    });
  };
  const auto claim = [&](const char* tenant, const char* name) {
    return Access::claim(*stage_.catalog(), tenant, name);
  };
  EXPECT_EQ(set(visitor, "nobody", "correct horse")->error.code, ErrorCode::unknown_principal);
  EXPECT_EQ(set(visitor, "mail", "short")->error.code, ErrorCode::invalid_request);
  EXPECT_EQ(claim("", "mail").holder, nullptr);
  const auto first = set(visitor, "mail", "correct horse");
  ASSERT_FALSE(first->error) << first->error.message();
  EXPECT_FALSE(first->anonymous_ends);
  EXPECT_EQ(first->password.find_first_not_of('\0'), std::string::npos);  // wiped
  const Claim mail = claim("default", "mail");
  ASSERT_NE(mail.holder, nullptr);
  EXPECT_GE(mail.secrets.iterations, sasl::kIterationsMin);
  // Who is not there looks as if they were, also after a power cut.
  const Claim eve = claim("", "eve");
  EXPECT_EQ(eve.holder, nullptr);
  EXPECT_EQ(eve.secrets.iterations, mail.secrets.iterations);
  EXPECT_EQ(eve.secrets.salt.size(), mail.secrets.salt.size());
  EXPECT_NE(eve.secrets.salt, claim("", "root").secrets.salt);
  EXPECT_NE(eve.secrets.salt, claim("acme", "eve").secrets.salt);
  stage_.run("crash 0");
  stage_.run("settle");
  EXPECT_EQ(claim("", "eve").secrets, eve.secrets);
  EXPECT_EQ(claim("", "mail").secrets, mail.secrets);

  TenantContext who = Access::nobody();
  ASSERT_EQ(enter({.authenticated = claim("", "mail").holder}, &who), ErrorCode::none);
  EXPECT_EQ(who.actor(), "mail");
  EXPECT_TRUE(who.caller()->by_password);
  const auto recheck = [&] { return Access::recheck(who, *stage_.catalog(), {}, now_us_).code; };
  EXPECT_EQ(recheck(), ErrorCode::none);
  // Another password, though the same text: who came in by the old one goes.
  ASSERT_FALSE(set(visitor, "mail", "correct horse")->error);
  EXPECT_EQ(recheck(), ErrorCode::access_changed);
  EXPECT_NE(claim("", "mail").secrets, mail.secrets);
  EXPECT_EQ(enter({.authenticated = mail.holder}, &who), ErrorCode::unauthenticated);
  ASSERT_EQ(enter({.authenticated = claim("", "mail").holder}, &who), ErrorCode::none);
  EXPECT_FALSE(set(visitor, "mail", "")->error);
  EXPECT_EQ(recheck(), ErrorCode::access_changed);
  EXPECT_EQ(claim("", "mail").holder, nullptr);
  EXPECT_FALSE(set(visitor, "mail", "")->error);  // as it was
  // It is a way in for an owner, which closes the door for others.
  EXPECT_TRUE(set(visitor, "root", "correct horse")->anonymous_ends);
  stage_.take_transcript();
}

TEST_F(Principals, NobodySetsThePasswordOfWhoHasMore) {
  const TenantContext visitor = Access::anonymous();
  ASSERT_EQ(create(visitor, "boss", {"owner"}), ErrorCode::none);
  ASSERT_EQ(create(visitor, "ada", {"admin"}), ErrorCode::none);
  const TenantContext admin = in(key(visitor, "ada"));
  for (const char* password : {"correct horse", ""}) {
    EXPECT_EQ(ask<SetPassword>(admin,
                               [&](SetPassword& request) {
                                 request.principal = "boss";
                                 request.password = password;
                                 request.salt = runtime::make_salts().salt;
                               })
                  ->error.code,
              ErrorCode::forbidden);
  }
  stage_.take_transcript();
}

TEST_F(Principals, ASuspendedTenantLetsOnlyPlatformAdminsIn) {
  ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
  ASSERT_EQ(create(across("acme"), "boss", {"owner"}), ErrorCode::none);
  const std::string text = key(across("acme"), "boss");
  const TenantContext boss = in(text);
  const auto set = [&](Tenant::State state) {
    return ask<SetTenantState>(Access::anonymous(),
                               [&](SetTenantState& request) {
                                 request.name = "acme";
                                 request.state = state;
                               })
        ->error.code;
  };
  EXPECT_EQ(ask<SetTenantState>(boss, [](SetTenantState& r) { r.name = "acme"; })->error.code,
            ErrorCode::forbidden);
  EXPECT_EQ(set(Tenant::State::suspended), ErrorCode::none);
  TenantContext who = Access::nobody();
  EXPECT_EQ(enter({.api_key = text}, &who), ErrorCode::tenant_suspended);
  EXPECT_EQ(Access::recheck(boss, *stage_.catalog(), {}, now_us_).code,
            ErrorCode::tenant_suspended);
  across("acme");
  EXPECT_EQ(set(Tenant::State::active), ErrorCode::none);
  in(text);
  stage_.take_transcript();
}

// Power goes at every point of a deletion; in the end nothing of the tenant is left.
TEST_F(Principals, ADeletedTenantIsGoneWhateverHappens) {
  for (int after = 0; after < 8; ++after) {
    SCOPED_TRACE("stages before the power cut: " + std::to_string(after));
    ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
    const TenantContext acme = across("acme");
    ASSERT_EQ(create(acme, "boss", {"owner"}), ErrorCode::none);
    const std::string text = key(acme, "boss");
    for (const char* topic : {"a", "b"}) {
      const auto made = ask<CreateTopic>(acme, [&](CreateTopic& r) { r.name = topic; });
      ASSERT_FALSE(made->error);
    }
    auto request = std::make_unique<DeleteTenant>(Access::anonymous());
    request->name = "acme";
    stage_.start(std::move(request));
    for (int stage = 0; stage < after; ++stage) stage_.run(stage % 2 == 0 ? "write" : "sync");
    stage_.run("crash " + std::to_string(std::min<size_t>(stage_.unsynced(), 1)));
    stage_.run("settle");
    if (stage_.catalog()->tenant("acme") != nullptr) {  // the mark was lost: it never happened
      const auto deleted =
          ask<DeleteTenant>(Access::anonymous(), [](DeleteTenant& r) { r.name = "acme"; });
      ASSERT_FALSE(deleted->error) << deleted->error.message();
    }
    const CatalogSnapshot& catalog = *stage_.catalog();
    EXPECT_EQ(catalog.tenant("acme"), nullptr);
    EXPECT_EQ(catalog.key_holder(*key_id(text)), nullptr);
    for (const auto& [name, topic] : catalog.topics) EXPECT_EQ(name.first, kDefaultTenant);
    for (const auto& [name, who] : catalog.principals) EXPECT_EQ(name.first, kDefaultTenant);
  }
  stage_.take_transcript();
}

TEST_F(Principals, TheReceiptCountsWhatWasThere) {
  ASSERT_EQ(create_tenant("acme"), ErrorCode::none);
  const TenantContext acme = across("acme");
  ASSERT_EQ(create(acme, "boss", {"owner"}), ErrorCode::none);
  ASSERT_FALSE(ask<CreateTopic>(acme, [](CreateTopic& r) { r.name = "a"; })->error);
  const auto receipt =
      ask<DeleteTenant>(Access::anonymous(), [](DeleteTenant& r) { r.name = "acme"; });
  ASSERT_FALSE(receipt->error);
  EXPECT_EQ(receipt->topics, 1u);
  EXPECT_EQ(receipt->principals, 1u);
  EXPECT_EQ(receipt->events, 0);
  EXPECT_EQ(ask<DeleteTenant>(Access::anonymous(), [](DeleteTenant& r) { r.name = "default"; })
                ->error.code,
            ErrorCode::invalid_request);
  stage_.take_transcript();
}

}  // namespace
}  // namespace headrace::core
