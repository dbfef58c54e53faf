// docs/patterns.md is the definition of filters: its tables are run here.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "broker/core/filter.h"
#include "broker/core/matcher.h"
#include "broker/core/pattern_trie.h"
#include "broker/limits.h"

namespace headrace::core {
namespace {

using Row = std::vector<std::string>;

std::string trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

// `text` as it is, (none) as nothing, words as they are.
std::string plain(const std::string& cell) {
  if (cell == "(none)") return "";
  const bool is_code = cell.size() >= 2 && cell.front() == '`' && cell.back() == '`';
  return is_code ? cell.substr(1, cell.size() - 2) : cell;
}

Row cells_of(const std::string& line) {
  Row cells;
  std::istringstream parts(line.substr(1));
  for (std::string cell; std::getline(parts, cell, '|');) cells.push_back(plain(trimmed(cell)));
  return cells;
}

// Rows of the table with this heading row, at least `least` of them.
std::vector<Row> table(const std::string& heading, size_t least) {
  std::ifstream page(HEADRACE_SOURCE_DIR "/docs/patterns.md");
  std::vector<Row> rows;
  std::string line;
  while (std::getline(page, line) && line != heading) {
  }
  std::getline(page, line);  // the line below the heading
  while (std::getline(page, line) && line.starts_with("|")) rows.push_back(cells_of(line));
  EXPECT_GE(rows.size(), least) << heading;
  for (const Row& row : rows) {
    EXPECT_EQ(row.size(), cells_of(heading).size()) << row[0];
    if (row.size() != cells_of(heading).size()) return {};
  }
  return rows;
}

bool yes(const std::string& cell) {
  EXPECT_TRUE(cell == "yes" || cell == "no") << cell;
  return cell == "yes";
}

// A record with the headers of a cell.
class SampleEvent {
 public:
  explicit SampleEvent(const std::string& cell) {
    storage::EventFields fields;
    std::string key;
    std::vector<std::string> parts;
    for (size_t at = 0; at < cell.size();) {
      const size_t end = std::min(cell.find("; ", at), cell.size());
      parts.push_back(cell.substr(at, end - at));
      at = end + 2;
    }
    std::vector<storage::HeaderField> headers;
    for (const std::string& part : parts) {
      const size_t equals = part.find('=');
      const std::string_view name = std::string_view(part).substr(0, equals);
      std::optional<std::string_view> value;
      if (equals != std::string::npos) value = std::string_view(part).substr(equals + 1);
      if (name == "@key") {
        key = *value;
        fields.key = key;
      } else {
        headers.push_back({name, value});
      }
    }
    fields.headers = headers;
    storage::BatchBuilder builder;
    builder.add(fields);
    batch_ = builder.finish();
    const auto header = storage::read_header(batch_.span());
    storage::RecordReader reader(batch_.span().subspan(storage::kBatchHeaderSize), *header);
    EXPECT_TRUE(reader.next(&record_));
  }
  const storage::RecordView& record() const { return record_; }

 private:
  SharedBytes batch_;
  storage::RecordView record_;
};

TEST(PatternsPage, Patterns) {
  for (const Row& row : table("| pattern | type | matches | because |", 60)) {
    const std::string about = row[0] + " on " + row[1];
    Pattern pattern;
    const Error error = Pattern::parse(row[0], &pattern);
    ASSERT_FALSE(error) << error.message();
    EXPECT_EQ(pattern.text(), row[0]);
    EXPECT_EQ(pattern.matches(row[1]), yes(row[2])) << about;
    Filter filter;
    ASSERT_FALSE(Filter::compile({{row[0]}, {}}, &filter));
    Matcher matcher;
    const Matcher::Slot slot = matcher.add(filter);
    EXPECT_EQ(matcher.groups_of(row[1]).contains(slot), yes(row[2])) << about;
  }
}

TEST(PatternsPage, RefusedPatterns) {
  for (const Row& row : table("| no pattern | column | says |", 10)) {
    Pattern pattern;
    const Error error = Pattern::parse(row[0], &pattern);
    EXPECT_EQ(error.code, ErrorCode::invalid_request) << row[0];
    EXPECT_NE(error.detail.find(", column " + row[1] + ": "), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find(row[2]), std::string::npos) << error.detail;
    EXPECT_EQ(pattern.text(), "*") << "untouched";
  }
}

TEST(PatternsPage, Conditions) {
  for (const Row& row : table("| condition | headers | holds | because |", 40)) {
    FilterSpec spec;
    spec.conditions.emplace_back();
    const Error error = parse_condition(row[0], &spec.conditions[0]);
    ASSERT_FALSE(error) << error.message();
    Filter filter;
    ASSERT_FALSE(Filter::compile(spec, &filter));
    const SampleEvent event(row[1]);
    std::string_view type;
    ASSERT_TRUE(read_type(event.record(), &type));
    EXPECT_EQ(filter.matches({type, event.record()}), yes(row[2])) << row[0] << " on " << row[1];
  }
}

TEST(PatternsPage, RefusedConditions) {
  for (const Row& row : table("| no condition | column | says |", 10)) {
    Condition condition;
    const Error error = parse_condition(row[0], &condition);
    EXPECT_EQ(error.code, ErrorCode::invalid_request) << row[0];
    EXPECT_NE(error.detail.find(", column " + row[1] + ": "), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find(row[2]), std::string::npos) << error.detail;
    EXPECT_EQ(condition, Condition()) << "untouched";
  }
}

TEST(PatternsPage, PrintedConditions) {
  for (const Row& row : table("| written | printed |", 5)) {
    Condition condition;
    const Error error = parse_condition(row[0], &condition);
    ASSERT_FALSE(error) << error.message();
    EXPECT_EQ(to_string(condition), row[1]);
    Condition again;
    ASSERT_FALSE(parse_condition(row[1], &again));
    EXPECT_EQ(again, condition);
  }
}

TEST(PatternsPage, Limits) {
  const std::vector<Row> rows = table("| limit | value |", 8);
  const std::vector<Row> expected = {
      {"patterns of a group", std::to_string(limits::kPatternsPerGroup)},
      {"bytes of a pattern", std::to_string(limits::kPatternBytes)},
      {"tokens of a pattern", std::to_string(limits::kTokensPerPattern)},
      {"`*` before the last token", std::to_string(limits::kStarsPerPattern)},
      {"conditions of a group", std::to_string(limits::kConditionsPerGroup)},
      {"bytes of a condition", "8,192"},
      {"bytes of a condition's value", "1,024"},
      {"types remembered for a topic", "10,000"},
  };
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(limits::kConditionBytes, 8'192u);
  EXPECT_EQ(limits::kConditionValueBytes, 1'024u);
  EXPECT_EQ(limits::kTypesPerTopic, 10'000u);
  EXPECT_EQ(PatternTrie::kMostSteps, 9'401u);
}

}  // namespace
}  // namespace headrace::core
