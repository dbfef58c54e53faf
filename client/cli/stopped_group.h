// Whoever subscribes to a group that delivers nothing is told so: from its members' side a
// quarantined, probing or disabled group looks like one without events. Main thread.
#pragma once

#include <cstdint>
#include <string>

#include "client/client.h"

namespace headrace::cli {

// What to say of a group in this state, on standard error; empty: it delivers.
std::string stopped_group_text(const proto::DescribeGroupOk& group);

class StoppedGroup {
 public:
  StoppedGroup(client::Client* client, std::string group)
      : client_(client), group_(std::move(group)) {}

  // Asks the broker and says it, once. Who may not look, is not told.
  void look();
  // Nothing came for so long: looks now and then.
  void quiet_for(int64_t quiet_ms);

 private:
  client::Client* const client_;
  const std::string group_;
  bool told_ = false;
  int64_t looked_at_ms_ = 0;  // of the quiet time
};

}  // namespace headrace::cli
