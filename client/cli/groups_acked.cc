// groups create / update / enable / disable / probe: acked groups.
#include "client/admin.h"
#include "client/cli/group_options.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/group.h"

namespace headrace::cli {

namespace {

void print_group(const ConnectArguments& connect, const proto::DescribeGroupOk& group,
                 const char* done) {
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    group_fields(&line, group);
    group_details(&line, group);
    line.end();
  } else {
    out = std::string(done) + " " + group.group() + ": " + group.state() + "\n";
  }
  print(out);
}

int set_state(const ConnectArguments& connect, const GroupArguments& given, const char* action) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::set_group_state(*client.value, given.group, action, connect.reason);
  if (!reply.ok()) return report(reply.error);
  std::string out = given.group + ": " + reply->state() + "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out).text("group", given.group).text("state", reply->state()).end();
  }
  print(out);
  return kDone;
}

}  // namespace

int create_group(const ConnectArguments& connect, const GroupArguments& given) {
  proto::CreateGroup request;
  request.set_group(given.group);
  request.set_topic(given.topic);
  request.set_if_missing(given.if_missing);
  if (const auto error = apply_options(given.options, request.mutable_options())) {
    return report(error);
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::create_group(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  print_group(connect, reply->group(), reply->created() ? "created" : "exists");
  return kDone;
}

int update_group(const ConnectArguments& connect, const GroupArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto known = client::describe_group(*client.value, given.group);
  if (!known.ok()) return report(known.error);
  proto::UpdateGroup request;
  request.set_group(given.group);
  // What is not given stays; the version makes sure that nobody changed it in between.
  *request.mutable_options() = known->options();
  request.set_if_version(known->version());
  if (const auto error = apply_options(given.options, request.mutable_options())) {
    return report(error);
  }
  const auto reply = client::update_group(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  print_group(connect, reply->group(), "updated");
  return kDone;
}

int enable_group(const ConnectArguments& connect, const GroupArguments& given) {
  return set_state(connect, given, "enable");
}

int disable_group(const ConnectArguments& connect, const GroupArguments& given) {
  return set_state(connect, given, "disable");
}

int probe_group(const ConnectArguments& connect, const GroupArguments& given) {
  return set_state(connect, given, "probe");
}

}  // namespace headrace::cli
