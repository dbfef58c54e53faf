// replay start / ls / status / pause / resume / cancel, dlq redrive.
#include <chrono>
#include <cstdio>
#include <thread>

#include "client/admin.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/job.h"

namespace headrace::cli {

namespace {

constexpr auto kPoll = std::chrono::milliseconds(50);

void append_job(std::string* out, const proto::Job& job) {
  JsonLine line(out);
  job_fields(&line, job);
  line.end();
}

// A dry run counts and delivers nothing, whatever its numbers look like.
std::string kind_text(const proto::Job& job) {
  return job.kind() + (job.dry_run() ? " (dry run)" : "");
}

std::string percent_text(const proto::Job& job) {
  return std::to_string(static_cast<int>(job.percent())) + "%";
}

int show(const ConnectArguments& connect, const proto::Job& job) {
  std::string out;
  if (connect.json) {
    append_job(&out, job);
  } else {
    Table table(
        {"JOB", "KIND", "STATE", "SCANNED", "MATCHED", "DELIVERED", "FAILED", "EXPIRED", "DONE"});
    table.row({job.id(), kind_text(job), job.state(), std::to_string(job.scanned()),
               std::to_string(job.matched()), std::to_string(job.delivered()),
               std::to_string(job.failed()), std::to_string(job.expired()), percent_text(job)});
    out = table.text();
  }
  print(out);
  return kDone;
}

bool has_ended(const proto::Job& job) {
  return job.state() == "completed" || job.state() == "cancelled" || job.state() == "failed";
}

// A dry run is for its count: wait for it.
int show_started(client::Client& client, const ConnectArguments& connect, proto::Job job) {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(connect.timeout_ms);
  while (job.dry_run() && !has_ended(job) && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kPoll);
    const auto now = client::get_job(client, job.id());
    if (!now.ok()) return report(now.error);
    job = now->job();
  }
  return show(connect, job);
}

}  // namespace

int start_replay(const ConnectArguments& connect, const ReplayArguments& given) {
  proto::StartReplay request;
  request.set_group(given.group);
  for (const std::string& filter : given.filters) request.add_filters(filter);
  for (const std::string& condition : given.conditions) request.add_conditions(condition);
  request.set_rate(given.rate);
  request.set_dry_run(given.dry_run);
  if (given.from_us) request.set_from_us(*given.from_us);
  if (given.to_us) request.set_to_us(*given.to_us);
  if (given.partition) request.set_partition(*given.partition);
  if (given.from_offset) request.set_from_offset(*given.from_offset);
  if (given.to_offset) request.set_to_offset(*given.to_offset);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto started = client::start_replay(*client.value, request);
  if (!started.ok()) return report(started.error);
  return show_started(*client.value, connect, started->job());
}

int redrive(const ConnectArguments& connect, const RedriveArguments& given) {
  proto::Redrive request;
  request.set_group(given.group);
  for (const std::string& id : given.ids) request.add_ids(id);
  for (const std::string& condition : given.conditions) request.add_conditions(condition);
  request.set_all(given.all);
  request.set_rate(given.rate);
  request.set_dry_run(given.dry_run);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto started = client::redrive(*client.value, request);
  if (!started.ok()) return report(started.error);
  return show_started(*client.value, connect, started->job());
}

int list_jobs(const ConnectArguments& connect, const JobArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto listed = client::list_jobs(*client.value, given.group);
  if (!listed.ok()) return report(listed.error);
  std::string out;
  Table table({"JOB", "KIND", "STATE", "MATCHED", "DELIVERED", "FAILED", "DONE"});
  for (const proto::Job& job : listed->jobs()) {
    if (connect.json) {
      append_job(&out, job);
    } else {
      table.row({job.id(), kind_text(job), job.state(), std::to_string(job.matched()),
                 std::to_string(job.delivered()), std::to_string(job.failed()), percent_text(job)});
    }
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int show_job(const ConnectArguments& connect, const JobArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto found = client::get_job(*client.value, given.job);
  if (!found.ok()) return report(found.error);
  return show(connect, found->job());
}

int control_job(const ConnectArguments& connect, const JobArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto done = client::control_job(*client.value, given.job, given.action);
  if (!done.ok()) return report(done.error);
  return show(connect, done->job());
}

}  // namespace headrace::cli
