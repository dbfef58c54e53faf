#include "client/cli/line_reader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace headrace::cli {

namespace {
constexpr size_t kReadSize = 256 * 1024;
}

LineReader::LineReader(int fd, size_t max_line) : fd_(fd), max_line_(max_line) {}

bool LineReader::fill() {
  buffer_.erase(0, at_);
  scanned_ -= at_;
  at_ = 0;
  if (buffer_.size() > max_line_) {
    error_ = "a line is longer than " + std::to_string(max_line_) + " bytes";
    return false;
  }
  const size_t had = buffer_.size();
  buffer_.resize(had + kReadSize);
  ssize_t got;
  do {
    got = read(fd_, buffer_.data() + had, kReadSize);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(had + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got < 0) error_ = std::strerror(errno);
  return got > 0;
}

std::optional<std::string_view> LineReader::next() {
  while (true) {
    const size_t end = buffer_.find('\n', scanned_);
    if (end != std::string::npos) {
      const std::string_view line(buffer_.data() + at_, end - at_);
      at_ = scanned_ = end + 1;
      return line;
    }
    scanned_ = buffer_.size();
    if (!ended_ && fill()) continue;
    ended_ = true;
    if (!error_.empty() || at_ == buffer_.size()) return std::nullopt;
    const std::string_view line(buffer_.data() + at_, buffer_.size() - at_);
    at_ = scanned_ = buffer_.size();
    return line;
  }
}

}  // namespace headrace::cli
