// doctor: asks a running broker whether what must always hold does hold; prints what was found in a
// data directory.

#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/cli/connect.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/json_line.h"

namespace headrace::cli {

namespace {

struct Check {
  std::string name;
  std::string trouble;  // empty: PASS
  std::string detail;
};

class Doctor {
 public:
  explicit Doctor(const ConnectArguments& connect) : connect_(connect) {}

  void add(std::string name, std::string trouble, std::string detail = {}) {
    checks_.push_back({std::move(name), std::move(trouble), std::move(detail)});
  }
  void add(std::string name, const client::Error& error, std::string detail = {}) {
    add(std::move(name), error ? error.message : std::string(), std::move(detail));
  }

  void check_http();
  void check_broker();
  int print_all() const;

 private:
  const ConnectArguments& connect_;
  std::vector<Check> checks_;
};

void Doctor::check_http() {
  for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
    const auto reply = call_http(connect_, {.path = path}, connect_.timeout_ms);
    if (!reply.ok()) {
      add("http " + std::string(path), reply.error);
      continue;
    }
    std::string trouble;
    if (reply->status != 200) {
      trouble = "status " + std::to_string(reply->status) + ": " + reply->body.substr(0, 500);
    } else if (std::string_view(path) == "/metrics" &&
               reply->body.find("\nheadrace_") == std::string::npos) {
      trouble = "no headrace_ series in it";
    }
    const bool detailed = std::string_view(path) == "/readyz" && trouble.empty();
    add("http " + std::string(path), trouble, detailed ? reply->body.substr(0, 500) : "");
  }
}

// The broker checks topics and groups itself: GET /v1/doctor.
void Doctor::check_broker() {
  const auto reply = call_http(connect_, {.path = "/v1/doctor"}, connect_.timeout_ms);
  if (!reply.ok()) return add("http /v1/doctor", reply.error);
  const auto found = nlohmann::json::parse(reply->body, nullptr, false);
  const auto checks = found.is_object() ? found.find("checks") : found.end();
  if (reply->status != 200 || checks == found.end() || !checks->is_array()) {
    return add("http /v1/doctor",
               "status " + std::to_string(reply->status) + ": " + reply->body.substr(0, 500));
  }
  for (const auto& check : *checks) {
    const auto text = [&](const char* name) -> std::string {
      const auto value = check.find(name);
      return value != check.end() && value->is_string() ? value->get<std::string>() : "?";
    };
    add(text("check"), text("result") == "PASS" ? "" : text("detail"));
  }
}

int Doctor::print_all() const {
  bool failed = false;
  std::string out;
  for (const Check& check : checks_) {
    const bool bad = !check.trouble.empty();
    failed = failed || bad;
    if (connect_.json) {
      JsonLine line(&out);
      line.text("check", check.name).text("result", bad ? "FAIL" : "PASS");
      if (bad) line.text("detail", check.trouble);
      if (!bad && !check.detail.empty()) line.text("detail", check.detail);
      line.end();
    } else {
      out += (bad ? "FAIL  " : "PASS  ") + check.name;
      if (bad) out += ": " + check.trouble;
      out += '\n';
    }
  }
  print(out);
  return failed ? kFailed : kDone;
}

}  // namespace

int doctor(const ConnectArguments& connect) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto hello = client.value->connect();
  if (!hello.ok()) return report(hello.error);
  Doctor doctor(connect);
  doctor.add("broker answers on " + connect.server, std::string(), hello->server());
  doctor.check_http();
  doctor.check_broker();
  return doctor.print_all();
}

// A line a passed check, a line a finding.
int doctor_offline(const Examination& found, bool json) {
  if (!found.error.empty()) {
    std::fprintf(stderr, "headrace: %s\n", found.error.c_str());
    return kFailed;
  }
  bool failed = false;
  std::string out;
  for (const Examination::Check& check : found.checks) {
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
    for (const Examination::Finding& finding : check.findings) {
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
        out += "FAIL  " + check.name + ": " + finding.where + ": " + finding.what + "\n      " +
               finding.advice + "\n";
      }
    }
    if (check.more > 0) {
      std::fprintf(stderr, "headrace: %s: %llu more findings\n", check.name.c_str(),
                   static_cast<unsigned long long>(check.more));
    }
  }
  print(out);
  return failed ? kFailed : kDone;
}

}  // namespace headrace::cli
