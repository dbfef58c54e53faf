// The jobs that handlers start among everything else: replays of what they have seen, redrives of
// what they know to be dead, pauses and cancellations.
#include "tests/sim/handlers.h"

namespace headrace::sim {
namespace {

constexpr int64_t kBetweenUs = 20 * kMicrosPerSecond;

bool has_ended(const proto::Job& job) {
  return job.state() == "completed" || job.state() == "cancelled" || job.state() == "failed";
}

}  // namespace

void Handler::change_jobs() {
  auto& prng = scene_.prng();
  job_us_ = scene_.now_us() + prng.between(0, 2 * kBetweenUs);
  const uint64_t chance = prng.below(100);
  if (chance < 30) return start_replay();
  if (chance < 50) return start_redrive();
  if (chance < 70 && !last_job_.empty()) {
    constexpr const char* kActions[] = {"pause", "resume", "resume", "cancel"};
    control_job(last_job_, kActions[prng.below(4)]);
  }
}

void Handler::start_replay() {
  auto& prng = scene_.prng();
  if (seen_ends_.empty()) return;
  auto at = seen_ends_.begin();
  std::advance(at, prng.below(seen_ends_.size()));
  JobDone job{group_, 0, true, {topic_.name, at->first}, 0, 0};
  job.from = prng.between(0, at->second - 1);
  job.to = prng.between(job.from + 1, at->second);
  proto::StartReplay message;
  message.set_group(group_);
  message.set_partition(at->first);
  message.set_from_offset(job.from);
  message.set_to_offset(job.to - 1);
  if (prng.chance(0.3)) message.set_rate(static_cast<double>(prng.between(1, 50)));
  message.set_dry_run(prng.chance(0.1));
  const bool dry_run = message.dry_run();
  asked_ = true;
  wire_.ask(MessageType::start_replay, message, {}, [this, job, dry_run](const Reply& reply) {
    asked_ = false;
    if (!reply.ok()) return;
    last_job_ = reply.as<proto::StartReplayOk>().job().id();
    if (!dry_run) replays_[last_job_] = job;
  });
}

// By ids that the judge was told of: redriven letters are purged, or go for newer ones, before
// anybody lists them again.
void Handler::start_redrive() {
  list({}, [this] { redrive_listed(); });
}

void Handler::redrive_listed() {
  proto::Redrive message;
  message.set_group(group_);
  for (const std::string& id : listed_) {
    if (message.ids_size() < 1'000 && scene_.prng().chance(0.9)) message.add_ids(id);
  }
  if (message.ids_size() == 0) return;
  if (scene_.prng().chance(0.3))
    message.set_rate(static_cast<double>(scene_.prng().between(1, 50)));
  asked_ = true;
  wire_.ask(MessageType::redrive, message, {}, [this](const Reply& reply) {
    asked_ = false;
    if (reply.ok()) last_job_ = reply.as<proto::RedriveOk>().job().id();
  });
}

void Handler::control_job(const std::string& job, const char* action) {
  proto::ControlJob message;
  message.set_id(job);
  message.set_action(action);
  asked_ = true;
  wire_.ask(MessageType::control_job, message, {}, [this](const Reply&) { asked_ = false; });
}

void Handler::list_jobs(std::function<void(const proto::ListJobsOk&)> then) {
  asked_ = true;
  proto::ListJobs message;
  message.set_group(group_);
  wire_.ask(MessageType::list_jobs, message, {},
            [this, then = std::move(then)](const Reply& reply) {
              asked_ = false;
              if (!reply.ok()) return;
              then(reply.as<proto::ListJobsOk>());
            });
}

void Handler::ask_for_jobs() {
  list_jobs([this](const proto::ListJobsOk& listed) {
    std::string open;
    for (const auto& job : listed.jobs()) {
      if (has_ended(job)) continue;
      open += " " + job.id() + " " + job.kind() + " " + job.state() + " scanned " +
              std::to_string(job.scanned()) + " matched " + std::to_string(job.matched()) +
              " delivered " + std::to_string(job.delivered()) + " acked " +
              std::to_string(job.acked()) + " failed " + std::to_string(job.failed()) +
              " expired " + std::to_string(job.expired()) + " " + std::to_string(job.percent()) +
              "%";
      if (job.state() == "paused") return control_job(job.id(), "resume");
    }
    drained_ = open.empty();
    last_told_ += ", jobs" + open;
  });
}

void Handler::tell_of_jobs() {
  list_jobs([this](const proto::ListJobsOk& listed) {
    for (const auto& job : listed.jobs()) {
      if (job.state() != "completed" || job.dry_run()) continue;
      if (job.expired() > 0) continue;  // retention or a purge took some
      JobDone done{group_, 0, false, {topic_.name, 0}, 0, 0};
      if (const auto known = replays_.find(job.id()); known != replays_.end()) {
        done = known->second;
      } else if (job.kind() == "replay") {
        continue;  // nobody heard that it was started
      }
      done.job = static_cast<uint32_t>(std::stoul(job.id().substr(job.id().rfind('/') + 1)));
      scene_.judge.tell(&Checker::on_job_done, done);
      ++scene_.jobs;
    }
    collected_ = true;
  });
}

}  // namespace headrace::sim
