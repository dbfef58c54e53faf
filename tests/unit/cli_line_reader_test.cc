#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

#include "client/cli/line_reader.h"

namespace headrace::cli {
namespace {

// What comes out when `text` is written into a pipe in pieces of the given sizes, again and again.
std::vector<std::string> lines_of(const std::string& text, std::vector<size_t> pieces,
                                  size_t max_line = 16u << 20, std::string* error = nullptr) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  std::thread writer([&] {
    size_t at = 0;
    for (size_t i = 0; at < text.size(); ++i) {
      const size_t size = std::min(pieces[i % pieces.size()], text.size() - at);
      if (write(ends[1], text.data() + at, size) < 0) break;
      at += size;
    }
    close(ends[1]);
  });
  LineReader reader(ends[0], max_line);
  std::vector<std::string> lines;
  while (const auto line = reader.next()) lines.emplace_back(*line);
  if (error != nullptr) *error = reader.error();
  std::string drain(1 << 16, '\0');
  while (read(ends[0], drain.data(), drain.size()) > 0) {
  }
  writer.join();
  close(ends[0]);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, LinesWithAndWithoutALastNewline) {
  EXPECT_EQ(lines_of("", {1}), Lines{});
  EXPECT_EQ(lines_of("a", {1}), Lines{"a"});
  EXPECT_EQ(lines_of("a\n", {1}), Lines{"a"});
  EXPECT_EQ(lines_of("\n\nb\r\n", {1}), (Lines{"", "", "b\r"}));
}

TEST(LineReader, PiecesDoNotMatter) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Lines expected;
  std::string text;
  for (int i = 0; i < 2'000; ++i) {
    expected.emplace_back(random() % 700, static_cast<char>('a' + i % 26));
    text += expected.back() + "\n";
  }
  EXPECT_EQ(lines_of(text, {3, 70'000, 1, 999}), expected);
}

TEST(LineReader, ALineThatIsTooLongIsAnError) {
  std::string error;
  EXPECT_EQ(lines_of("ok\n" + std::string(2'000'000, 'x') + "\n", {65'536}, 1'000'000, &error),
            Lines{"ok"});
  EXPECT_NE(error.find("1000000"), std::string::npos);
}

}  // namespace
}  // namespace headrace::cli
