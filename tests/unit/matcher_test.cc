// One matcher for all groups against asking every pattern of every group, and what it costs.
#include "broker/core/matcher.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/limits.h"

namespace headrace::core {
namespace {

Filter filter_of(std::vector<std::string> patterns) {
  Filter filter;
  const Error error = Filter::compile({std::move(patterns), {}}, &filter);
  EXPECT_FALSE(error) << error.message();
  return filter;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> tokens;
  if (text.empty()) return tokens;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('.', at), text.size());
    tokens.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return tokens;
}

// The definition, naively.
bool naive_match(const std::string& pattern, const std::string& type) {
  if (pattern == "*") return true;
  const std::vector<std::string> want = split(pattern);
  const std::vector<std::string> have = split(type);
  for (size_t i = 0; i < want.size(); ++i) {
    if (i >= have.size()) return false;
    const bool is_last = i + 1 == want.size();
    if (is_last && (want[i] == "*" || want[i] == "**")) return true;
    if (want[i] != "*" && want[i] != have[i]) return false;
  }
  return want.size() == have.size();
}

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) text += (i > 0 ? "." : "") + tokens[i];
  return text;
}

rc::Gen<std::string> any_type() {
  const auto token = rc::gen::element<std::string>("a", "b", "ab", "");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(token), joined);
}

// Few tokens, so that patterns of groups meet; mostly valid.
rc::Gen<std::string> any_pattern() {
  const auto token =
      rc::gen::weightedElement<std::string>({{4, "a"}, {3, "b"}, {1, "ab"}, {4, "*"}, {1, "**"}});
  const auto tokens = rc::gen::mapcat(rc::gen::inRange<size_t>(1, 6), [token](size_t count) {
    return rc::gen::container<std::vector<std::string>>(count, token);
  });
  return rc::gen::suchThat(rc::gen::map(tokens, joined), [](const std::string& text) {
    Pattern pattern;
    return !Pattern::parse(text, &pattern);
  });
}

RC_GTEST_PROP(Pattern, IsTheDefinition, ()) {
  const std::string text = *any_pattern();
  const std::string type = *any_type();
  Pattern pattern;
  RC_ASSERT(!Pattern::parse(text, &pattern));
  RC_ASSERT(pattern.matches(type) == naive_match(text, type));
}

struct Model {
  std::map<Matcher::Slot, std::vector<std::string>> groups;

  SlotSet groups_of(const std::string& type) const {
    SlotSet found;
    for (const auto& [slot, patterns] : groups) {
      for (const std::string& pattern : patterns) {
        if (naive_match(pattern, type)) found.insert(slot);
      }
    }
    return found;
  }
};

void expect_same(Matcher& matcher, const Model& model, const std::string& type) {
  const SlotSet expected = model.groups_of(type);
  RC_ASSERT(matcher.groups_of(type) == expected);
  const Matcher::TypeId id = matcher.id_of(type);
  for (const auto& [slot, patterns] : model.groups) {
    RC_ASSERT(matcher.wants(slot, id, type) == expected.contains(slot));
    RC_ASSERT(matcher.wants(slot, Matcher::kUnlisted, type) == expected.contains(slot));
  }
}

// Groups come and go; after each step all types are asked again, so that what is remembered must
// have been renewed.
RC_GTEST_PROP(Matcher, IsTheSumOfItsGroups, ()) {
  const auto types = *rc::gen::container<std::vector<std::string>>(6, any_type());
  Matcher matcher;
  Model model;
  const int steps = *rc::gen::inRange(1, 10);
  for (int i = 0; i < steps; ++i) {
    if (!model.groups.empty() && *rc::gen::inRange(0, 3) == 0) {
      auto gone = model.groups.begin();
      std::advance(gone, *rc::gen::inRange<size_t>(0, model.groups.size()));
      matcher.remove(gone->first);
      model.groups.erase(gone);
    } else {
      const auto count = *rc::gen::inRange<size_t>(0, 4);
      auto patterns = *rc::gen::container<std::vector<std::string>>(count, any_pattern());
      const Matcher::Slot slot = matcher.add(filter_of(patterns));
      if (patterns.empty()) patterns = {"*"};
      RC_ASSERT(model.groups.emplace(slot, patterns).second);
    }
    RC_ASSERT(matcher.group_count() == model.groups.size());
    for (const std::string& type : types) expect_same(matcher, model, type);
  }
}

RC_GTEST_PROP(PatternTrie, ErasingLeavesNothing, ()) {
  const auto texts = *rc::gen::container<std::vector<std::string>>(any_pattern());
  PatternTrie trie;
  std::vector<Pattern> patterns(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    RC_ASSERT(!Pattern::parse(texts[i], &patterns[i]));
    trie.insert(patterns[i], static_cast<uint32_t>(i % 3));
  }
  for (size_t i = 0; i < texts.size(); ++i) trie.erase(patterns[i], static_cast<uint32_t>(i % 3));
  RC_ASSERT(trie.node_count() == 1u);
  SlotSet none;
  trie.collect("a.b", &none);
  RC_ASSERT(none.empty());
}

std::string repeated(const std::string& token, size_t count) {
  return joined(std::vector<std::string>(count, token));
}

TEST(Matcher, ATypeCostsItsDepthNotTheGroups) {
  Matcher matcher;
  auto cost = [&](std::string_view type) {
    const uint64_t before = matcher.steps();
    (void)matcher.groups_of(type);
    return matcher.steps() - before;
  };
  matcher.add(filter_of({"org.team.5.changed"}));
  const uint64_t alone = cost("org.team.5.changed");
  EXPECT_EQ(alone, 5u) << "the root and a node for each token";
  for (int i = 0; i < 2'000; ++i) {
    matcher.add(filter_of({"org.team." + std::to_string(i) + ".changed"}));
  }
  EXPECT_EQ(cost("org.team.5.changed"), alone);
  EXPECT_EQ(cost("org.team.5.changed"), 0u) << "remembered";
}

// Every mixture of `a` and stars that is allowed, on the type that keeps all of them alive.
TEST(Matcher, HostilePatternsStayBelowTheBound) {
  Matcher matcher;
  constexpr size_t kTokens = limits::kTokensPerPattern;
  size_t groups = 0;
  for (uint32_t stars = 0; stars < 1u << (kTokens - 1); ++stars) {
    if (static_cast<size_t>(__builtin_popcount(stars)) > limits::kStarsPerPattern) continue;
    std::string text;
    for (size_t i = 0; i + 1 < kTokens; ++i) text += (stars >> i & 1) != 0 ? "*." : "a.";
    matcher.add(filter_of({text + "b"}));
    ++groups;
  }
  EXPECT_EQ(groups, 1'941u);
  const std::string type = repeated("a", kTokens);
  EXPECT_TRUE(matcher.groups_of(type).empty());
  EXPECT_GT(matcher.steps(), 4'000u) << "the patterns must be hostile";
  EXPECT_LE(matcher.steps(), PatternTrie::kMostSteps);
}

TEST(Matcher, LongTypesCostNoMoreThanPatternsAreDeep) {
  Matcher matcher;
  const Matcher::Slot end = matcher.add(filter_of({"a.*.*.*.*.b", "*.*.*.*.c"}));
  const Matcher::Slot rest = matcher.add(filter_of({"*.a.*"}));
  const std::string type = repeated("a", 100'000);
  const SlotSet& groups = matcher.groups_of(type);
  EXPECT_FALSE(groups.contains(end));
  EXPECT_TRUE(groups.contains(rest));
  EXPECT_LE(matcher.steps(), 20u);
  EXPECT_EQ(matcher.type_count(), 0u) << "too long to be remembered";
  EXPECT_EQ(matcher.id_of(type), Matcher::kUnlisted);
}

TEST(Matcher, TypesBeyondTheDictionaryAreMatchedEachTime) {
  Matcher matcher;
  const Matcher::Slot slot = matcher.add(filter_of({"t.*.x"}));
  for (size_t i = 0; i < limits::kTypesPerTopic; ++i) {
    ASSERT_EQ(matcher.id_of("t." + std::to_string(i) + ".x"), i);
  }
  EXPECT_EQ(matcher.id_of("t.new.x"), Matcher::kUnlisted);
  EXPECT_EQ(matcher.id_of("t.7.x"), 7u);
  for (int round = 0; round < 2; ++round) {
    const uint64_t before = matcher.steps();
    EXPECT_TRUE(matcher.groups_of("t.new.x").contains(slot));
    EXPECT_EQ(matcher.steps() - before, 4u);
  }
  EXPECT_EQ(matcher.type_count(), limits::kTypesPerTopic);
}

TEST(Matcher, SlotsAreUsedAgainAndForgetTheirPast) {
  Matcher matcher;
  const Matcher::Slot first = matcher.add(filter_of({"a.*"}));
  const Matcher::TypeId id = matcher.id_of("a.b");
  EXPECT_TRUE(matcher.wants(first, id, "a.b"));
  matcher.remove(first);
  EXPECT_TRUE(matcher.groups_of("a.b").empty());
  EXPECT_EQ(matcher.add(filter_of({"c"})), first);
  EXPECT_FALSE(matcher.wants(first, id, "a.b"));
}

TEST(SlotSet, ListsWhatWasInserted) {
  SlotSet set;
  for (const uint32_t slot : {700u, 3u, 64u, 63u, 3u}) set.insert(slot);
  std::vector<uint32_t> listed;
  set.for_each([&](uint32_t slot) { listed.push_back(slot); });
  EXPECT_EQ(listed, (std::vector<uint32_t>{3, 63, 64, 700}));
  EXPECT_EQ(set.size(), 4u);
  EXPECT_FALSE(set.contains(100'000));
}

}  // namespace
}  // namespace headrace::core
