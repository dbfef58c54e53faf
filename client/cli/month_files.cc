#include "client/cli/month_files.h"

#include <unistd.h>

#include <thread>

#include "metrics/quantity.h"

namespace headrace::cli {

storage::MonthFileReader reader_of(std::FILE* file) {
  return storage::MonthFileReader(
      [file](char* to, size_t size) { return std::fread(to, 1, size, file); });
}

storage::MonthFileWriter writer_of(std::FILE* file) {
  return storage::MonthFileWriter([file](std::string_view bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  });
}

bool sync_file(std::FILE* file) {
  return std::fflush(file) == 0 && fsync(fileno(file)) == 0;
}

Pace::Pace(uint64_t rate_bytes, uint64_t total_events)
    : rate_bytes_(rate_bytes), total_events_(total_events), watched_(isatty(STDERR_FILENO) == 1) {}

Pace::~Pace() {
  if (watched_ && bytes_ > 0) std::fputs("\n", stderr);
}

void Pace::moved(uint64_t bytes, uint64_t events) {
  bytes_ += bytes;
  events_ += events;
  if (watched_) {
    const uint64_t percent = total_events_ == 0 ? 100 : events_ * 100 / total_events_;
    std::fprintf(stderr, "\r%s, %u %% ", format_size(static_cast<int64_t>(bytes_)).c_str(),
                 static_cast<unsigned>(percent));
  }
  if (rate_bytes_ == 0) return;
  const std::chrono::duration<double> due(static_cast<double>(bytes_) /
                                          static_cast<double>(rate_bytes_));
  std::this_thread::sleep_until(
      begun_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(due));
}

}  // namespace headrace::cli
