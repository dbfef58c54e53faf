#include "broker/core/letter_quota.h"

#include <algorithm>
#include <cmath>

#include "metrics/check.h"

namespace headrace::core {
namespace {

constexpr double kWarning = 0.80;
constexpr double kCritical = 0.95;
constexpr double kHysteresis = 0.05;  // a level ends so far below where it begins
constexpr double kRateHours = 1;      // an arrival so long ago counts 1/e
constexpr double kLeastHours = 1.0 / 60;
constexpr double kMicrosPerHour = 3'600e6;

double begins_at(DlqLevel level) {
  switch (level) {
    case DlqLevel::ok:
      return 0;
    case DlqLevel::warning:
      return kWarning;
    case DlqLevel::critical:
      return kCritical;
    case DlqLevel::full:
      return 1;
  }
  HR_UNREACHABLE("a level of no kind");
}

double hours_between(int64_t from_us, int64_t to_us) {
  return static_cast<double>(std::max<int64_t>(to_us - from_us, 0)) / kMicrosPerHour;
}

}  // namespace

std::string_view to_string(DlqLevel level) {
  switch (level) {
    case DlqLevel::ok:
      return "ok";
    case DlqLevel::warning:
      return "warning";
    case DlqLevel::critical:
      return "critical";
    case DlqLevel::full:
      return "full";
  }
  return "invalid";
}

void LetterQuota::limit(uint32_t entries, int64_t bytes) {
  most_entries_ = entries;
  most_bytes_ = bytes;
}

void LetterQuota::set(int64_t entries, int64_t bytes) {
  entries_ = entries;
  bytes_ = bytes;
}

void LetterQuota::decay(int64_t now_mono_us) {
  if (since_mono_us_ < 0) since_mono_us_ = last_mono_us_ = now_mono_us;
  const double left = std::exp(-hours_between(last_mono_us_, now_mono_us) / kRateHours);
  recent_entries_ *= left;
  recent_bytes_ *= left;
  last_mono_us_ = now_mono_us;
}

void LetterQuota::add(int64_t bytes, int64_t now_mono_us) {
  ++entries_;
  bytes_ += bytes;
  decay(now_mono_us);
  recent_entries_ += 1;
  recent_bytes_ += static_cast<double>(bytes);
}

void LetterQuota::remove(int64_t bytes) {
  HR_CHECK(entries_ > 0 && bytes_ >= bytes);
  --entries_;
  bytes_ -= bytes;
}

void LetterQuota::put_back(int64_t bytes) {
  ++entries_;
  bytes_ += bytes;
}

bool LetterQuota::fits(int64_t bytes) const {
  return entries_ == 0 || (entries_ < most_entries_ && bytes <= most_bytes_ - bytes_);
}

double LetterQuota::share() const {
  const auto of = [](int64_t part, int64_t whole) {
    return whole <= 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
  };
  return std::max(of(entries_, most_entries_), of(bytes_, most_bytes_));
}

DlqLevel LetterQuota::level_at(double share) const {
  if (share >= 1) return DlqLevel::full;
  if (share >= kCritical) return DlqLevel::critical;
  return share >= kWarning ? DlqLevel::warning : DlqLevel::ok;
}

bool LetterQuota::update(bool blocked) {
  const double used = blocked ? 1 : share();
  const DlqLevel now = level_at(used);
  if (now == level_) return false;
  if (now < level_ && used >= begins_at(level_) - kHysteresis) return false;
  level_ = now;
  return true;
}

double LetterQuota::hours_until_full(int64_t now_mono_us) const {
  if (full()) return 0;
  if (since_mono_us_ < 0) return -1;
  const double left = std::exp(-hours_between(last_mono_us_, now_mono_us) / kRateHours);
  const double seen = std::max(hours_between(since_mono_us_, now_mono_us), kLeastHours);
  const double stands_for = kRateHours * (1 - std::exp(-seen / kRateHours));
  const auto hours = [&](double recent, int64_t space) {
    const double a_hour = recent * left / stands_for;
    return a_hour < 1e-3 ? -1 : static_cast<double>(space) / a_hour;
  };
  const double entries = hours(recent_entries_, most_entries_ - entries_);
  const double bytes = hours(recent_bytes_, most_bytes_ - bytes_);
  if (entries < 0 || bytes < 0) return std::max(entries, bytes);
  return std::min(entries, bytes);
}

}  // namespace headrace::core
