#include "broker/core/filter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "broker/limits.h"

namespace headrace::core {
namespace {

using Op = Condition::Op;
using Outcome = Filter::Outcome;
using Headers = std::vector<std::pair<std::string, std::string>>;

Filter filter_of(std::vector<std::string> patterns, const std::vector<std::string>& conditions) {
  FilterSpec spec{std::move(patterns), {}};
  for (const std::string& text : conditions) {
    const Error error = parse_condition(text, &spec.conditions.emplace_back());
    EXPECT_FALSE(error) << error.message();
  }
  Filter filter;
  const Error error = Filter::compile(spec, &filter);
  EXPECT_FALSE(error) << error.message();
  return filter;
}

// One record in a batch; the views point into the batch.
struct FilteredEvent {
  SharedBytes batch;
  storage::RecordView record;
  std::string_view type;

  EventView view() const { return {type, record}; }
};

FilteredEvent event_of(const Headers& headers) {
  std::vector<storage::HeaderField> fields;
  for (const auto& [name, value] : headers) fields.push_back({name, value});
  storage::BatchBuilder builder;
  builder.add({.headers = fields});
  FilteredEvent event;
  event.batch = builder.finish();
  const auto header = storage::read_header(event.batch.span());
  storage::RecordReader reader(event.batch.span().subspan(storage::kBatchHeaderSize), *header);
  EXPECT_TRUE(reader.next(&event.record));
  EXPECT_TRUE(read_type(event.record, &event.type));
  return event;
}

TEST(Filter, WithoutAnythingEverythingMatches) {
  EXPECT_TRUE(Filter().matches(event_of({}).view()));
  EXPECT_TRUE(filter_of({}, {}).matches(event_of({{"ce_type", "a.b"}}).view()));
  EXPECT_FALSE(Filter().may_match(storage::Summary())) << "a batch without events";
}

TEST(Filter, AnyPatternAndAllConditions) {
  const Filter filter = filter_of({"course.graduated", "exam.*"}, {"grade >= 80", "region == eu"});
  auto check = [&](const Headers& headers) { return filter.check(event_of(headers).view()); };
  EXPECT_EQ(check({{"ce_type", "exam.a.b"}, {"region", "eu"}, {"grade", "81"}}),
            (Filter::Verdict{Outcome::matches, 0}));
  EXPECT_EQ(check({{"ce_type", "course.begun"}, {"grade", "81"}, {"region", "eu"}}),
            (Filter::Verdict{Outcome::wrong_type, 0}));
  EXPECT_EQ(check({{"ce_type", "exam.a"}, {"grade", "79"}, {"region", "eu"}}),
            (Filter::Verdict{Outcome::wrong_condition, 0}));
  EXPECT_EQ(check({{"ce_type", "exam.a"}, {"grade", "81"}}),
            (Filter::Verdict{Outcome::wrong_condition, 1}));
  EXPECT_EQ(check({{"grade", "81"}, {"region", "eu"}}), (Filter::Verdict{Outcome::wrong_type, 0}));
}

TEST(Filter, TwoConditionsOnOneHeader) {
  const Filter filter = filter_of({}, {"grade >= 80", "grade < 90"});
  EXPECT_TRUE(filter.matches(event_of({{"grade", "80"}}).view()));
  EXPECT_FALSE(filter.matches(event_of({{"grade", "90"}}).view()));
}

TEST(Filter, SchemaVersions) {
  const auto outcome = [](int32_t from, int32_t to, const Headers& headers) {
    FilterSpec spec;
    spec.schema_from = from;
    spec.schema_to = to;
    Filter filter;
    EXPECT_FALSE(Filter::compile(spec, &filter));
    EXPECT_FALSE(filter.only_types());
    return filter.check(event_of(headers).view()).outcome;
  };
  const Headers second = {{"ce_schemaversion", "2"}};
  EXPECT_EQ(outcome(2, 3, second), Outcome::matches);
  EXPECT_EQ(outcome(2, 0, second), Outcome::matches);
  EXPECT_EQ(outcome(0, 2, {{"x", "y"}, {"ce_schemaversion", "2.9"}}), Outcome::matches);
  EXPECT_EQ(outcome(3, 0, second), Outcome::wrong_version);
  EXPECT_EQ(outcome(0, 1, second), Outcome::wrong_version);
  EXPECT_EQ(outcome(0, 1, {}), Outcome::matches) << "one that does not say is of version 1";
  EXPECT_EQ(outcome(2, 0, {}), Outcome::wrong_version);
  for (const char* none : {"", "x", "-1", "0", "2x", "99999999999", ".1"}) {
    EXPECT_EQ(outcome(0, 9, {{"ce_schemaversion", none}}), Outcome::wrong_version) << none;
  }
  EXPECT_TRUE(Filter().only_types());
}

TEST(Filter, DamagedHeadersAreNeitherYesNorNo) {
  const Filter filter = filter_of({}, {"grade >= 80"});
  FilteredEvent event = event_of({{"ce_type", "a"}, {"grade", "90"}});
  event.record.headers_raw.remove_suffix(1);
  EXPECT_EQ(filter.check(event.view()).outcome, Outcome::damaged_headers);
  std::string_view type;
  EXPECT_TRUE(read_type(event.record, &type)) << "it lies before the damage";
  event.record.headers_raw = event.record.headers_raw.substr(0, 3);
  EXPECT_FALSE(read_type(event.record, &type));
}

TEST(Filter, ErrorsNameTheField) {
  Filter filter = filter_of({"a"}, {});
  auto refused = [&](const FilterSpec& spec) { return Filter::compile(spec, &filter).detail; };
  EXPECT_EQ(refused({{"a", "b..c"}, {}}),
            "patterns[1]: pattern \"b..c\", column 3: an empty token: tokens stand between single "
            "dots");
  EXPECT_EQ(refused({{}, {{"grade", Op::less, "x"}}}),
            "conditions[0]: condition value: a number must follow <");
  EXPECT_EQ(refused({{}, {{"grade", Op::exists, "x"}}}),
            "conditions[0]: condition value: nothing may follow exists");
  EXPECT_EQ(refused({{}, {{"gr ade", Op::exists, ""}}}),
            "conditions[0]: condition name: a name is 1-249 characters of A-Z a-z 0-9 . _ -");
  EXPECT_EQ(refused({{}, {{"grade", static_cast<Op>(9), ""}}}),
            "conditions[0]: condition op: one of exists, ==, !=, ^=, <, <=, > or >=");
  EXPECT_EQ(refused({std::vector<std::string>(17, "a"), {}}), "patterns: at most 16, got 17");
  EXPECT_EQ(refused({{}, std::vector<Condition>(17, {"a", Op::exists, ""})}),
            "conditions: at most 16, got 17");
  EXPECT_EQ(filter.spec(), (FilterSpec{{"a"}, {}})) << "untouched";
}

TEST(Filter, LengthsAreBounded) {
  Pattern pattern;
  EXPECT_FALSE(Pattern::parse(std::string(249, 'a'), &pattern));
  EXPECT_NE(Pattern::parse(std::string(250, 'a'), &pattern).detail.find(", column 250: longer"),
            std::string::npos);
  Condition condition;
  EXPECT_FALSE(parse_condition("a == " + std::string(1'024, 'x'), &condition));
  EXPECT_TRUE(parse_condition("a == " + std::string(1'025, 'x'), &condition));
  EXPECT_TRUE(parse_condition(std::string(9'000, ' ') + "a exists", &condition));
  EXPECT_NE(parse_condition(std::string(250, 'n') + " exists", &condition).detail.find("column 1:"),
            std::string::npos);
}

TEST(Filter, ChunksAndBatchesThatCannotMatchAreSkipped) {
  const Filter filter = filter_of({"order.*"}, {});
  storage::Summary batch;
  batch.types = {{"user.created", 7}, {"", 2}};
  EXPECT_FALSE(filter.may_match(batch));
  batch.types.push_back({"order.paid", 3});
  EXPECT_TRUE(filter.may_match(batch));
  EXPECT_EQ(filter.count_types(batch.types, false), 3u);
  storage::ChunkRow chunk;
  chunk.types = {{"user.created", 7}};
  EXPECT_FALSE(filter.may_match(chunk));
  chunk.types.clear();
  chunk.types_unknown = true;
  EXPECT_TRUE(filter.may_match(chunk));
  EXPECT_EQ(filter.count_types(chunk.types, true), std::nullopt);
}

TEST(Filter, EqualityOnLookupsSkipsChunks) {
  storage::ChunkRow chunk;
  chunk.types = {{"a", 1}};
  chunk.bloom = storage::Bloom({storage::lookup_hash(storage::Lookup::key, "k1"),
                                storage::lookup_hash(storage::Lookup::id, "e1"),
                                storage::lookup_hash(storage::Lookup::correlation_id, "c1")});
  auto may = [&](const std::string& condition) {
    return filter_of({}, {condition}).may_match(chunk);
  };
  EXPECT_TRUE(may("key == k1") && may("id == e1") && may("correlationid == c1"));
  EXPECT_FALSE(may("key == k2"));
  EXPECT_FALSE(may("id == k1"));
  EXPECT_FALSE(may("correlationid == e1"));
  EXPECT_TRUE(may("key != k1") && may("key ^= x") && may("subject == k2") && may("id == \"\""));
  chunk.bloom = storage::Bloom();
  EXPECT_TRUE(may("key == k2")) << "of an open chunk nothing is known";
}

// What the skip says about a batch is what its events say.
RC_GTEST_PROP(Filter, SkipsOnlyWhatDoesNotMatch, ()) {
  const auto token = rc::gen::element<std::string>("a", "b", "c");
  const auto types = *rc::gen::container<std::vector<std::string>>(
      rc::gen::map(rc::gen::container<std::vector<std::string>>(token), [](const auto& tokens) {
        std::string type;
        for (const std::string& one : tokens) type += (type.empty() ? "" : ".") + one;
        return type;
      }));
  RC_PRE(!types.empty());
  const Filter filter = filter_of(
      {*rc::gen::element<std::string>("*", "**", "a", "a.*", "*.b", "a.*.c", "c.**")}, {});
  storage::BatchBuilder builder;
  uint64_t matching = 0;
  for (const std::string& type : types) {
    const storage::HeaderField field{"ce_type", type};
    builder.add({.headers = {&field, 1}});
    matching += filter.matches_type(type) ? 1 : 0;
  }
  const SharedBytes batch = builder.finish();
  const auto header = storage::read_header(batch.span());
  storage::Summary summary;
  RC_ASSERT(storage::walk(batch.span().subspan(storage::kBatchHeaderSize), *header, &summary) ==
            storage::BatchError::ok);
  RC_ASSERT(!summary.types_unknown || summary.types.empty());
  if (!summary.types_unknown) {
    RC_ASSERT(filter.count_types(summary.types, false) == matching);
    RC_ASSERT(filter.may_match(summary) == (matching > 0));
  } else {
    RC_ASSERT(filter.may_match(summary));
  }
}

// Printing gives text that parses to the same condition, whatever bytes the value has.
RC_GTEST_PROP(Condition, PrintsAndParses, ()) {
  Condition condition;
  condition.name = *rc::gen::element<std::string>("grade", "exists", "a-b.c_9", "key", "type");
  condition.op = static_cast<Op>(*rc::gen::inRange(1, 9));
  if (is_numeric(condition.op)) {
    condition.value = std::to_string(*rc::gen::arbitrary<int>());
  } else if (condition.op != Op::exists) {
    condition.value = *rc::gen::string<std::string>();
  }
  RC_PRE(condition.value.size() <= limits::kConditionValueBytes);
  RC_ASSERT(!check_condition(condition));
  Condition parsed;
  const Error error = parse_condition(to_string(condition), &parsed);
  RC_ASSERT(error.detail == "");
  RC_ASSERT(parsed == condition);
}

TEST(Condition, LongNumbersAreNone) {
  EXPECT_TRUE(parse_number(std::string(64, '1')));
  EXPECT_FALSE(parse_number(std::string(65, '1')));
  EXPECT_FALSE(parse_number("-"));
  EXPECT_FALSE(parse_number("."));
  EXPECT_FALSE(parse_number("1e"));
  EXPECT_EQ(parse_number("-0.5"), -0.5);
  EXPECT_EQ(parse_number(".5"), 0.5);
}

// An excerpt stays short, whatever the text is made of (found by the fuzzer).
TEST(Filter, ErrorsOfWhatIsNoTextStayShort) {
  Pattern pattern;
  const Error error =
      Pattern::parse("*." + std::string(228, '\xb6') + std::string(100, '\0'), &pattern);
  EXPECT_TRUE(error);
  EXPECT_LT(error.detail.size(), 400u) << error.detail;
}

}  // namespace
}  // namespace headrace::core
