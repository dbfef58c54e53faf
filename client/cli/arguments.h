// What stands on the command line, per verb: filled by flags.cc, read by the verbs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace headrace::cli {

struct TopicArguments {
  std::string topic;
  uint32_t partitions = 1;
  std::string retention;
  bool if_missing = false;
};

struct PublishArguments {
  std::string topic;
  std::string type, source, id, content_type, correlation_id;
  std::optional<std::string> key;
  std::optional<std::string> data;
  std::vector<std::string> headers;
  std::optional<uint32_t> partition;
  std::string durability = "durable";
  std::string codec = "none";
  std::string delay, deliver_at;
  uint64_t batch_bytes = 64 * 1024;
  int64_t linger_ms = 5;
  bool cloud_events = false;
};

struct ConsumeArguments {
  std::string topic;
  std::string group;
  std::string from = "earliest";
  uint64_t count = 0;    // 0: no limit
  int64_t wait_ms = -1;  // -1: no limit
  bool push = false;
};

struct GroupArguments {
  std::string group;
  bool unhealthy = false;
};

}  // namespace headrace::cli
