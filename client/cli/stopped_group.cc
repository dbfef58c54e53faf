#include "client/cli/stopped_group.h"

#include <cstdio>

#include "client/admin.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

constexpr int64_t kLookEveryMs = 2'000;

}  // namespace

std::string stopped_group_text(const proto::DescribeGroupOk& group) {
  const std::string& state = group.state();
  if (state != "quarantined" && state != "probing" && state != "disabled") return "";
  std::string text = "group " + group.group() + " is " + state;
  if (!group.state_reason().empty()) text += " (" + group.state_reason() + ")";
  if (state == "probing") return text + ": until one event has succeeded no other is delivered";
  text += " and delivers nothing";
  if (state == "quarantined" && group.cooldown_ends_us() > 0) {
    text += " until " + format_time_us(group.cooldown_ends_us());
  }
  text += ": `headrace groups enable " + group.group() + "` lets it go on";
  if (state == "quarantined") {
    text += ", `headrace groups probe " + group.group() + "` tries one event now";
  }
  return text;
}

void StoppedGroup::look() {
  if (told_) return;
  const auto group = client::describe_group(*client_, group_);
  if (!group.ok()) return;
  const std::string text = stopped_group_text(group.value);
  if (text.empty()) return;
  told_ = true;
  std::fprintf(stderr, "headrace: %s\n", text.c_str());
}

void StoppedGroup::quiet_for(int64_t quiet_ms) {
  if (quiet_ms < looked_at_ms_) looked_at_ms_ = 0;  // there was an event in between
  if (quiet_ms - looked_at_ms_ < kLookEveryMs) return;
  looked_at_ms_ = quiet_ms;
  look();
}

}  // namespace headrace::cli
