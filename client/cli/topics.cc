// topics create / ls / describe / delete

#include "client/admin.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/retention.h"
#include "json/topic.h"
#include "metrics/quantity.h"

namespace headrace::cli {

namespace {

std::string describe_text(const proto::DescribeTopicOk& reply) {
  const proto::Topic& topic = reply.topic();
  Table table({"PARTITION", "LOG START", "END", "EVENTS", "BYTES", "LAST APPEND"});
  for (const auto& info : reply.partitions()) {
    const int64_t last_us = info.last_append_time_us();
    table.row({std::to_string(info.partition()), std::to_string(info.log_start()),
               std::to_string(info.visible_end()),
               std::to_string(info.visible_end() - info.log_start()), std::to_string(info.bytes()),
               last_us > 0 ? format_time_us(last_us) : "-"});
  }
  return topic.name() + ": id " + std::to_string(topic.id()) + ", " + topic.state() +
         ", retention " + format_retention(topic.retention()) +
         (topic.has_dedup() ? ", dedup " + std::to_string(topic.dedup().window_ms()) + " ms, " +
                                  std::to_string(topic.dedup().max_ids()) + " ids"
                            : "") +
         "\n" + table.text();
}

}  // namespace

int create_topic(const ConnectArguments& connect, const TopicArguments& arguments) {
  proto::CreateTopic request;
  request.set_name(arguments.topic);
  request.set_partitions(arguments.partitions);
  request.set_if_missing(arguments.if_missing);
  if (!arguments.retention.empty()) {
    const auto retention = parse_retention(arguments.retention);
    if (!retention) {
      return report(client::bad_argument("--retention: '" + arguments.retention + "' is not " +
                                         std::string(kRetentionExample)));
    }
    *request.mutable_retention() = *retention;
  }
  if (arguments.dedup_max_ids == 0u) {
    return usage_error("--dedup-max-ids: 1 or more; leave it and --dedup-window out for no dedup");
  }
  if (arguments.dedup_window_ms == 0) {
    return usage_error("--dedup-window: 1s to 7d; leave it and --dedup-max-ids out for no dedup");
  }
  // Either switches it on; what is 0 has the broker's default.
  if (arguments.dedup_window_ms || arguments.dedup_max_ids) {
    request.mutable_dedup()->set_window_ms(arguments.dedup_window_ms.value_or(0));
    request.mutable_dedup()->set_max_ids(arguments.dedup_max_ids.value_or(0));
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::create_topic(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    topic_fields(&line, reply->topic());
    line.boolean("created", reply->created()).end();
  } else {
    out = (reply->created() ? "created " : "exists already: ") + reply->topic().name() + ", " +
          std::to_string(reply->topic().partitions()) + " partition(s)\n";
  }
  print(out);
  return kDone;
}

int list_topics(const ConnectArguments& connect, const TopicArguments&) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::metadata(*client.value);
  if (!reply.ok()) return report(reply.error);
  std::string out;
  Table table({"TOPIC", "PARTITIONS", "STATE", "RETENTION"});
  for (const proto::Topic& topic : reply->topics()) {
    if (connect.json) {
      JsonLine line(&out);
      topic_fields(&line, topic);
      line.end();
    } else {
      table.row({topic.name(), std::to_string(topic.partitions()), topic.state(),
                 format_retention(topic.retention())});
    }
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int describe_topic(const ConnectArguments& connect, const TopicArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::describe_topic(*client.value, given.topic);
  if (!reply.ok()) return report(reply.error);
  if (!connect.json) {
    print(describe_text(reply.value));
    return kDone;
  }
  std::string out;
  JsonLine line(&out);
  topic_fields(&line, reply->topic());
  topic_details(&line, reply.value);
  line.end();
  print(out);
  return kDone;
}

int delete_topic(const ConnectArguments& connect, const TopicArguments& given) {
  if (!confirmed("this deletes the topic with all its events and groups", given.topic, given.yes)) {
    return kFailed;
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::delete_topic(*client.value, given.topic);
  if (!reply.ok()) return report(reply.error);
  std::string out = "deleted " + given.topic + "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out)
        .text("topic", given.topic)
        .number("id", reply->id())
        .boolean("deleted", true)
        .end();
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
