// groups ls / describe / delete, for positional groups.

#include "client/admin.h"
#include "client/cli/json_line.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"

namespace headrace::cli {

namespace {

// Positional groups have no deliveries of their own: what acked groups count is 0 for them.
JsonLine& group_fields(JsonLine& line, const proto::DescribeGroupOk& group) {
  return line.text("group", group.group())
      .text("kind", group.kind())
      .text("topic", group.topic())
      .text("state", group.state())
      .number("lag_events", group.lag_events())
      .real("lag_seconds", group.lag_seconds(), 3)
      .number("in_flight", 0)
      .number("retry", 0)
      .number("dlq", 0)
      .number("consecutive_failures", 0)
      .text("membership", group.membership())
      .number("members", group.members_size());
}

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", value);
  return text;
}

std::string partitions_json(const proto::DescribeGroupOk& group) {
  std::string json = "[";
  for (const auto& partition : group.partitions()) {
    if (json.size() > 1) json += ',';
    JsonLine(&json)
        .number("partition", partition.partition())
        .number("committed", partition.committed())
        .number("visible_end", partition.visible_end())
        .number("lag_events", partition.lag_events())
        .real("lag_seconds", partition.lag_seconds(), 3)
        .end();
    json.pop_back();  // the line's end
  }
  return json + "]";
}

std::string members_json(const proto::DescribeGroupOk& group) {
  std::string json = "[";
  for (const auto& member : group.members()) {
    if (json.size() > 1) json += ',';
    std::string partitions = "[";
    for (const uint32_t partition : member.partitions()) {
      if (partitions.size() > 1) partitions += ',';
      partitions += std::to_string(partition);
    }
    JsonLine(&json)
        .text("member", member.member())
        .text("client", member.client())
        .raw("partitions", partitions + "]")
        .end();
    json.pop_back();
  }
  return json + "]";
}

}  // namespace

int list_groups(const ConnectArguments& connect, const GroupArguments& arguments) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::list_groups(*client.value);
  if (!reply.ok()) return report(reply.error);
  std::string out;
  Table table({"GROUP", "KIND", "TOPIC", "STATE", "MEMBERS", "LAG", "LAG SECONDS"});
  for (const auto& group : reply->groups()) {
    if (arguments.unhealthy && group.state() == "healthy") continue;
    if (connect.json) {
      JsonLine line(&out);
      group_fields(line, group).end();
    } else {
      table.row({group.group(), group.kind(), group.topic(), group.state(),
                 std::to_string(group.members_size()), std::to_string(group.lag_events()),
                 seconds(group.lag_seconds())});
    }
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int describe_group(const ConnectArguments& connect, const GroupArguments& arguments) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::describe_group(*client.value, arguments.group);
  if (!reply.ok()) return report(reply.error);
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    group_fields(line, reply.value)
        .number("generation", reply->generation())
        .raw("partition_details", partitions_json(reply.value))
        .raw("member_details", members_json(reply.value))
        .end();
    print(out);
    return kDone;
  }
  Table table({"PARTITION", "COMMITTED", "END", "LAG", "LAG SECONDS", "MEMBER"});
  for (const auto& partition : reply->partitions()) {
    std::string owner = "-";
    for (const auto& member : reply->members()) {
      for (const uint32_t owned : member.partitions()) {
        if (owned == partition.partition()) owner = member.member();
      }
    }
    const int64_t committed = partition.committed();
    table.row({std::to_string(partition.partition()),
               committed >= 0 ? std::to_string(committed) : "-",
               std::to_string(partition.visible_end()), std::to_string(partition.lag_events()),
               seconds(partition.lag_seconds()), owner});
  }
  print(reply->group() + ": " + reply->kind() + ", topic " + reply->topic() + ", " +
        reply->state() + ", " + reply->membership() + ", generation " +
        std::to_string(reply->generation()) + "\n" + table.text());
  return kDone;
}

int delete_group(const ConnectArguments& connect, const GroupArguments& arguments) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::delete_group(*client.value, arguments.group);
  if (!reply.ok()) return report(reply.error);
  std::string out = "deleted " + arguments.group + "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out).text("group", arguments.group).boolean("deleted", true).end();
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
