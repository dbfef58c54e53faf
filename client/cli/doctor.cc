// doctor: asks a running broker whether what must always hold does hold; prints
// what was found in a data directory.

#include <cstdio>

#include "client/admin.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "client/http_get.h"
#include "json/json_line.h"

namespace headrace::cli {

namespace {

struct Check {
  std::string name;
  std::string trouble; // empty: PASS
  std::string detail;
};

class Doctor {
public:
  explicit Doctor(const ConnectArguments &connect) : connect_(connect) {}

  void add(std::string name, std::string trouble, std::string detail = {}) {
    checks_.push_back({std::move(name), std::move(trouble), std::move(detail)});
  }
  void add(std::string name, const client::Error &error,
           std::string detail = {}) {
    add(std::move(name), error ? error.message : std::string(),
        std::move(detail));
  }

  void check_http();
  void check_topics(client::Client &client);
  void check_groups(client::Client &client);
  int print_all() const;

private:
  void check_partitions(const proto::DescribeTopicOk &topic);

  const ConnectArguments &connect_;
  std::vector<Check> checks_;
};

void Doctor::check_http() {
  for (const char *path : {"/healthz", "/readyz", "/metrics"}) {
    const auto reply =
        client::http_get(connect_.http, path, connect_.timeout_ms);
    if (!reply.ok()) {
      add("http " + std::string(path), reply.error);
      continue;
    }
    std::string trouble;
    if (reply->status != 200) {
      trouble = "status " + std::to_string(reply->status) + ": " +
                reply->body.substr(0, 500);
    } else if (std::string_view(path) == "/metrics" &&
               reply->body.find("\nheadrace_") == std::string::npos) {
      trouble = "no headrace_ series in it";
    }
    const bool detailed =
        std::string_view(path) == "/readyz" && trouble.empty();
    add("http " + std::string(path), trouble,
        detailed ? reply->body.substr(0, 500) : "");
  }
}

void Doctor::check_partitions(const proto::DescribeTopicOk &topic) {
  const std::string &name = topic.topic().name();
  std::string trouble;
  const auto complain = [&](uint32_t partition, const std::string &what) {
    if (trouble.empty())
      trouble = "partition " + std::to_string(partition) + ": " + what;
  };
  if (topic.partitions_size() != static_cast<int>(topic.topic().partitions())) {
    trouble = "describes " + std::to_string(topic.partitions_size()) + " of " +
              std::to_string(topic.topic().partitions()) + " partitions";
  }
  for (const auto &info : topic.partitions()) {
    if (info.log_start() < 0 || info.log_start() > info.visible_end()) {
      complain(info.partition(),
               "log start " + std::to_string(info.log_start()) +
                   " is after its end " + std::to_string(info.visible_end()));
    }
    if (info.first_append_time_us() > info.last_append_time_us()) {
      complain(info.partition(), "the first append time is after the last");
    }
    int64_t last_first = -1;
    for (const auto &month : info.months()) {
      if (month.first_offset() <= last_first)
        complain(info.partition(), "months overlap");
      if (month.first_offset() > info.visible_end()) {
        complain(info.partition(), "a month begins after the end of the log");
      }
      last_first = month.first_offset();
    }
  }
  add("topic " + name + ": log start <= end, months in order", trouble);
}

void Doctor::check_topics(client::Client &client) {
  const auto listed = client::metadata(client);
  add("topics can be listed", listed.error);
  if (!listed.ok())
    return;
  for (const proto::Topic &topic : listed->topics()) {
    if (topic.state() == "deleting")
      continue;
    const auto described = client::describe_topic(client, topic.name());
    if (described.ok()) {
      check_partitions(described.value);
    } else if (described.error.code !=
               client::kErrorUnknownTopic) { // deleted meanwhile
      add("topic " + topic.name() + " can be described", described.error);
    }
  }
}

void Doctor::check_groups(client::Client &client) {
  const auto listed = client::list_groups(client);
  add("groups can be listed", listed.error);
  if (!listed.ok())
    return;
  for (const auto &group : listed->groups()) {
    const auto described = client::describe_group(client, group.group());
    if (!described.ok()) {
      if (described.error.code == client::kErrorUnknownGroup)
        continue;
      add("group " + group.group() + " can be described", described.error);
      continue;
    }
    std::string trouble;
    int64_t lag = 0;
    for (const auto &partition : described->partitions()) {
      lag += partition.lag_events();
      if (partition.committed() > partition.visible_end() ||
          partition.lag_events() < 0) {
        trouble = "partition " + std::to_string(partition.partition()) +
                  ": committed " + std::to_string(partition.committed()) +
                  ", log end " + std::to_string(partition.visible_end());
      }
    }
    if (trouble.empty() && lag != described->lag_events())
      trouble = "lag is not the sum of lags";
    add("group " + group.group() + ": committed <= log end, lag adds up",
        trouble);
  }
}

int Doctor::print_all() const {
  bool failed = false;
  std::string out;
  for (const Check &check : checks_) {
    const bool bad = !check.trouble.empty();
    failed = failed || bad;
    if (connect_.json) {
      JsonLine line(&out);
      line.text("check", check.name).text("result", bad ? "FAIL" : "PASS");
      if (bad)
        line.text("detail", check.trouble);
      if (!bad && !check.detail.empty())
        line.text("detail", check.detail);
      line.end();
    } else {
      out += (bad ? "FAIL  " : "PASS  ") + check.name;
      if (bad)
        out += ": " + check.trouble;
      out += '\n';
    }
  }
  print(out);
  return failed ? kFailed : kDone;
}

} // namespace

int doctor(const ConnectArguments &connect) {
  const auto client = make_client(connect);
  if (!client.ok())
    return report(client.error);
  const auto hello = client.value->connect();
  if (!hello.ok())
    return report(hello.error);
  Doctor doctor(connect);
  doctor.add("broker answers on " + connect.server, std::string(),
             hello->server());
  doctor.check_http();
  doctor.check_topics(*client.value);
  doctor.check_groups(*client.value);
  return doctor.print_all();
}

// A line a passed check, a line a finding.
int doctor_offline(const Examination &found, bool json) {
  if (!found.error.empty()) {
    std::fprintf(stderr, "headrace: %s\n", found.error.c_str());
    return kFailed;
  }
  bool failed = false;
  std::string out;
  for (const Examination::Check &check : found.checks) {
    if (check.findings.empty()) {
      if (json) {
        JsonLine(&out)
            .text("check", check.name)
            .text("result", "PASS")
            .text("covered", check.covered)
            .end();
      } else {
        out += "PASS  " + check.name + ": " + check.covered + "\n";
      }
    }
    for (const Examination::Finding &finding : check.findings) {
      failed = true;
      if (json) {
        JsonLine(&out)
            .text("check", check.name)
            .text("result", "FAIL")
            .text("where", finding.where)
            .text("detail", finding.what)
            .text("advice", finding.advice)
            .end();
      } else {
        out += "FAIL  " + check.name + ": " + finding.where + ": " +
               finding.what + "\n      " + finding.advice + "\n";
      }
    }
    if (check.more > 0) {
      std::fprintf(stderr, "headrace: %s: %llu more findings\n",
                   check.name.c_str(),
                   static_cast<unsigned long long>(check.more));
    }
  }
  print(out);
  return failed ? kFailed : kDone;
}

} // namespace headrace::cli
