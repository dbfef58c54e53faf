// Roles, grants and what they add up to.
#include "broker/core/permission.h"

#include <gtest/gtest.h>

#include "broker/admin/routes.h"
#include "broker/native/handlers.h"

namespace headrace::core {
namespace {

constexpr Permission kAll[] = {Permission::metrics,    Permission::publish, Permission::consume,
                               Permission::describe,   Permission::manage,  Permission::audit,
                               Permission::administer, Permission::own};

std::string allowed(const Rights& rights, std::string_view topic) {
  std::string text;
  constexpr std::string_view kLetters = "mpcdgauo";
  for (size_t i = 0; i < std::size(kAll); ++i) {
    if (rights.may(kAll[i], topic)) text += kLetters[i];
  }
  return text;
}

TEST(Roles, WhatEachMay) {
  const auto of = [](std::string_view role) {
    return allowed(Rights({*parse_grant(role)}), "orders");
  };
  EXPECT_EQ(of("producer"), "pd");
  EXPECT_EQ(of("consumer"), "cd");
  EXPECT_EQ(of("operator"), "cdg");
  EXPECT_EQ(of("auditor"), "da");
  EXPECT_EQ(of("admin"), "mpcdgau");
  EXPECT_EQ(of("owner"), "mpcdgauo");
  EXPECT_EQ(of("monitor"), "m");
  EXPECT_EQ(allowed(Rights(std::vector<Grant>{}), "orders"), "");
}

// Deny by default: what needs nothing is listed here, by name.
TEST(Permissions, WhatIsOpenIsKnownToBe) {
  std::vector<std::string_view> open;
  std::vector<std::string_view> known;
  const auto sort_in = [&](Permission permission, std::string_view what) {
    if (permission == Permission::open) open.push_back(what);
    if (permission == Permission::known) known.push_back(what);
  };
#define HR_HANDLER(message, permission) sort_in(Permission::permission, #message);
#include "broker/native/handlers.def"
#undef HR_HANDLER
  for (const auto& route : admin::routes()) sort_in(route.permission, route.path);
  using Names = std::vector<std::string_view>;
  EXPECT_EQ(open, (Names{"hello", "authenticate", "/healthz", "/readyz", "/v1/openapi.json"}));
  EXPECT_EQ(known, (Names{"ping", "me", "credit", "unsubscribe", "/v1/me"}));
}

TEST(Roles, NamesAndNumbersGoBothWays) {
  for (uint32_t number = 0; number < 20; ++number) {
    const auto role = role_of(number);
    EXPECT_EQ(role.has_value(), number >= 1 && number <= 7) << number;
    if (!role) continue;
    EXPECT_EQ(static_cast<uint32_t>(*role), number);
    EXPECT_EQ(parse_role(to_string(*role)), role);
  }
  EXPECT_EQ(role_names(), "producer, consumer, operator, auditor, admin, owner, monitor");
}

TEST(Grants, AsPeopleWriteThem) {
  EXPECT_EQ(parse_grant("consumer"), (Grant{Role::consumer, ""}));
  EXPECT_EQ(parse_grant("operator:orders."), (Grant{Role::operator_, "orders."}));
  for (const char* wrong : {"", "root", "Owner", "consumer:", "consumer:a b", ":x", "operator_"}) {
    EXPECT_EQ(parse_grant(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(to_string(*parse_grant("operator:orders.")), "operator:orders.");
  EXPECT_EQ(parse_grant("producer:orders.:order."), (Grant{Role::producer, "orders.", "order."}));
  EXPECT_EQ(parse_grant("producer::order."), (Grant{Role::producer, "", "order."}));
  for (const char* wrong : {"producer:", "producer::", "producer:orders.:", "producer:a:b:c",
                            "producer::a b", "consumer::order.", "owner::order."}) {
    EXPECT_EQ(parse_grant(wrong), std::nullopt) << wrong;
  }
  for (const char* text : {"producer:orders.:order.", "producer::order.", "producer"}) {
    EXPECT_EQ(to_string(*parse_grant(text)), text);
  }
}

TEST(Rights, APublisherMayBeHeldToTypes) {
  const Rights rights({{Role::producer, "orders.", "order."}, {Role::producer, "mail"}});
  EXPECT_TRUE(rights.types_limited());
  EXPECT_EQ(allowed(rights, "orders.eu"), "pd");  // some types at least
  EXPECT_TRUE(rights.may_publish("orders.eu", "order.placed"));
  EXPECT_TRUE(rights.may_publish("orders.eu", "order."));
  for (const char* type : {"order", "", "Order.placed", "mail", "x.order."}) {
    EXPECT_FALSE(rights.may_publish("orders.eu", type)) << type;
    EXPECT_TRUE(rights.may_publish("mail", type)) << type;
    EXPECT_FALSE(rights.may_publish("other", type)) << type;
  }
  // Of all topics: it describes them all, and publishes some types to them.
  const Rights all({{Role::producer, "", "order."}});
  EXPECT_EQ(allowed(all, "x"), "pd");
  EXPECT_TRUE(all.everywhere(Permission::describe));
  EXPECT_FALSE(all.everywhere(Permission::publish));
  EXPECT_TRUE(all.somewhere(Permission::publish));
  EXPECT_TRUE(all.may_publish("x", "order.placed"));
  EXPECT_FALSE(all.may_publish("x", "mail"));
  // Another role that publishes everything lifts it.
  const Rights lifted({{Role::producer, "", "order."}, {Role::producer, ""}});
  EXPECT_FALSE(lifted.types_limited());
  EXPECT_TRUE(lifted.may_publish("x", "mail"));
}

TEST(Rights, APrefixIsForItsTopicsOnly) {
  const Rights rights({{Role::consumer, "orders."}, {Role::producer, "mail"}});
  EXPECT_EQ(allowed(rights, "orders.eu"), "cd");
  EXPECT_EQ(allowed(rights, "orders."), "cd");
  EXPECT_EQ(allowed(rights, "orders"), "");
  EXPECT_EQ(allowed(rights, "mail"), "pd");
  EXPECT_EQ(allowed(rights, "mailbox"), "pd");
  EXPECT_EQ(allowed(rights, ""), "");
  EXPECT_TRUE(rights.somewhere(Permission::publish));
  EXPECT_FALSE(rights.everywhere(Permission::publish));
}

TEST(Rights, NobodyGivesWhatTheyLack) {
  const auto covers = [](std::vector<Grant> mine, std::string_view given) {
    return Rights(mine).covers(*parse_grant(given));
  };
  const Grant admin{Role::admin, ""};
  EXPECT_TRUE(covers({admin}, "admin"));
  EXPECT_TRUE(covers({admin}, "producer:x"));
  EXPECT_FALSE(covers({admin}, "owner"));
  EXPECT_FALSE(covers({admin}, "owner:x"));
  EXPECT_TRUE(covers({{Role::owner, ""}}, "owner"));
  const Grant part{Role::admin, "orders."};
  EXPECT_TRUE(covers({part}, "consumer:orders.eu"));
  EXPECT_FALSE(covers({part}, "consumer:order"));
  EXPECT_FALSE(covers({part}, "consumer"));
  const Grant typed{Role::producer, "orders.", "order."};
  EXPECT_TRUE(covers({typed}, "producer:orders.:order."));
  EXPECT_TRUE(covers({typed}, "producer:orders.eu:order.placed"));
  EXPECT_FALSE(covers({typed}, "producer:orders.eu"));
  EXPECT_FALSE(covers({typed}, "producer:orders.:mail."));
  EXPECT_FALSE(covers({typed}, "producer::order."));
  EXPECT_TRUE(covers({{Role::producer, "", "order."}}, "producer:orders.:order.x"));
  EXPECT_TRUE(covers({admin}, "producer::order."));
  // Together two roles hold what the third is made of.
  EXPECT_TRUE(covers({{Role::consumer, "a"}, {Role::producer, "a"}}, "producer:ab"));
  EXPECT_FALSE(covers({{Role::consumer, "a"}, {Role::producer, "b"}}, "operator:ab"));
}

}  // namespace
}  // namespace headrace::core
