// Lines of a file descriptor, in big reads and bounded memory. A last line without its newline
// counts; carriage returns stay. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace headrace::cli {

class LineReader {
 public:
  explicit LineReader(int fd, size_t max_line = 16u << 20);

  // The next line, valid until the next call; nullopt at the end or after an error.
  std::optional<std::string_view> next();
  const std::string& error() const { return error_; }  // empty: none

 private:
  bool fill();

  int fd_;
  size_t max_line_;
  std::string buffer_;
  size_t at_ = 0;       // start of the next line
  size_t scanned_ = 0;  // no newline before it
  bool ended_ = false;
  std::string error_;
};

}  // namespace headrace::cli
