// groups ls / describe / delete, for both kinds of group.
#include <nlohmann/json.hpp>

#include "client/admin.h"
#include "client/cli/group_options.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/group.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", value);
  return text;
}

// One a line: all of them in one would be wider than any terminal.
std::string options_text(const proto::GroupOptions& options) {
  std::string text;
  const auto object = nlohmann::ordered_json::parse(options_json(options));
  for (const auto& [name, value] : object.items()) {
    text +=
        "  " + name + ": " + (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  }
  return text;
}

std::string summary(const proto::DescribeGroupOk& group) {
  std::string text =
      group.group() + ": " + group.kind() + ", topic " + group.topic() + ", " + group.state();
  if (group.kind() != "acked") {
    return text + ", generation " + std::to_string(group.generation()) + "\n";
  }
  if (!group.state_reason().empty()) text += " (" + group.state_reason() + ")";
  if (group.state() == "quarantined" && group.cooldown_ends_us() > 0) {
    text += "\ncool-down ends " + format_time_us(group.cooldown_ends_us());
  }
  text += "\n" + std::to_string(group.lag_events()) + " events to do, " +
          std::to_string(group.in_flight()) + " in flight, " + std::to_string(group.retry()) +
          " wait for a retry, " + std::to_string(group.dlq()) + " dead letters, " +
          std::to_string(group.consecutive_failures()) + " failures in a row\n";
  const auto& dlq = group.dlq_state();
  if (dlq.level() != "ok") {
    text += "dead letters: " + dlq.level() + ", " + std::to_string(dlq.entries()) + " of " +
            std::to_string(dlq.quota_entries()) + ", " + std::to_string(dlq.bytes()) + " of " +
            std::to_string(dlq.quota_bytes()) + " bytes, " + std::to_string(dlq.blocked()) +
            " wait for space\n";
  }
  if (!group.last_error().empty()) text += "last error: " + group.last_error() + "\n";
  return text + "options:\n" + options_text(group.options());
}

}  // namespace

int list_groups(const ConnectArguments& connect, const GroupArguments& arguments) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::list_groups(*client.value);
  if (!reply.ok()) return report(reply.error);
  std::string out;
  Table table({"GROUP", "KIND", "TOPIC", "STATE", "MEMBERS", "LAG", "LAG SECONDS", "IN FLIGHT",
               "RETRY", "DLQ"});
  for (const auto& group : reply->groups()) {
    if (arguments.unhealthy && group.state() == "healthy") continue;
    if (connect.json) {
      JsonLine line(&out);
      group_fields(&line, group);
      line.end();
    } else {
      table.row({group.group(), group.kind(), group.topic(), group.state(),
                 std::to_string(group.members_size()), std::to_string(group.lag_events()),
                 seconds(group.lag_seconds()), std::to_string(group.in_flight()),
                 std::to_string(group.retry()), std::to_string(group.dlq())});
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
  if (connect.json) {
    std::string out;
    JsonLine line(&out);
    group_fields(&line, reply.value);
    group_details(&line, reply.value);
    line.end();
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
  print(summary(reply.value) + table.text());
  return kDone;
}

int delete_group(const ConnectArguments& connect, const GroupArguments& arguments) {
  if (!confirmed("this deletes the group with its positions and dead letters", arguments.group,
                 arguments.yes)) {
    return kFailed;
  }
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
