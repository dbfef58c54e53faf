// /metrics: node-wide metrics, and series per topic and group, as many as the registry exposes; how
// many there are in all is a series of its own. Five gauges and a histogram have the names that
// dashboards of event buses use (event_bus_*, handler_failure_rate), beside ours.
#include <algorithm>

#include "broker/admin/routes.h"

namespace headrace::admin {
namespace {

using metrics::LabelledFamily;

LabelledFamily gauge(std::string name, std::string help) {
  return {std::move(name), std::move(help), LabelledFamily::Kind::gauge, {}};
}

// Topics and groups asked about in one scrape; the rest only counts.
constexpr size_t kAskedPerScrape = 200;

// Names are told to who may know them: all to a scraper of tenant `default`, else the tenant's own.
bool may_name(const core::TenantContext& scraper, TenantId tenant) {
  if (!scraper.may(core::Permission::metrics)) return false;
  return scraper.tenant() == kDefaultTenant || scraper.tenant() == tenant;
}

std::vector<core::RequestPtr> questions_about(const core::TenantContext& scraper,
                                              const core::CatalogSnapshot& catalog,
                                              uint32_t shards) {
  std::vector<core::RequestPtr> questions;
  for (const auto& [name, topic] : catalog.topics) {
    if (questions.size() == kAskedPerScrape) break;
    if (!may_name(scraper, topic->tenant)) continue;
    auto question = std::make_unique<core::DescribeTopic>(core::Access::node(topic->tenant));
    question->topic = topic;
    question->shard = topic->shard;
    questions.push_back(std::move(question));
  }
  size_t groups = 0;
  for (const auto& [name, group] : catalog.groups) {
    if (groups == kAskedPerScrape) break;
    if (!may_name(scraper, group->tenant)) continue;
    auto topic = catalog.topic(group->tenant, group->topic);
    if (topic == nullptr) continue;
    ++groups;
    auto question = std::make_unique<core::DescribeGroup>(core::Access::node(group->tenant));
    question->group = group;
    question->topic = topic;
    question->shard = topic->shard;
    questions.push_back(std::move(question));
    if (group->kind != core::GroupRecord::Kind::acked) continue;
    auto jobs = std::make_unique<core::ListJobs>(core::Access::node(group->tenant));
    jobs->group = group;
    jobs->topic = topic;
    jobs->shard = topic->shard;
    questions.push_back(std::move(jobs));
  }
  // Last, for the sums: by then the groups asked about are loaded; acked ones always are.
  for (uint16_t shard = 0; shard < shards; ++shard) {
    auto question = std::make_unique<core::ShardStats>(core::Access::node(kNodeTenant));
    question->shard = ShardId(shard);
    questions.push_back(std::move(question));
  }
  return questions;
}

// Over all groups of the node, also those that have no series of their own.
struct Sums {
  double lag_events = 0;
  double dead_letters = 0;
  double retries = 0;
  double in_flight = 0;

  void add(const core::GroupStats& stats) {
    lag_events += static_cast<double>(stats.lag_events);
    if (!stats.acked) return;
    dead_letters += static_cast<double>(stats.acked->dead_letters);
    retries += static_cast<double>(stats.acked->retry);
    in_flight += static_cast<double>(stats.acked->in_flight);
  }
};

void add_one(std::vector<LabelledFamily>* to, std::string name, std::string help, double value) {
  to->push_back(gauge(std::move(name), std::move(help)));
  to->back().samples.push_back({{}, value});
}

// Each under the name that is asked for, and under ours.
void add_node_wide(std::vector<LabelledFamily>* to, const Sums& sums, const Recent& recent) {
  add_one(to, "event_bus_throughput", "As headrace_publish_events_per_second",
          recent.published_per_s);
  add_one(to, "headrace_publish_events_per_second", "Events published, of the last ten seconds",
          recent.published_per_s);
  add_one(to, "event_bus_consumer_lag", "As headrace_lag_events", sums.lag_events);
  add_one(to, "headrace_lag_events", "Events that groups have not committed or settled yet",
          sums.lag_events);
  add_one(to, "event_bus_dlq_size", "As headrace_dead_letters", sums.dead_letters);
  add_one(to, "headrace_dead_letters", "Dead letters of all groups", sums.dead_letters);
  add_one(to, "headrace_retry_events", "Events of all groups that wait for their next attempt",
          sums.retries);
  add_one(to, "headrace_in_flight_events", "Events that members of all acked groups hold",
          sums.in_flight);
  add_one(to, "handler_failure_rate", "As headrace_handler_failure_ratio", recent.failure_ratio);
  add_one(to, "headrace_handler_failure_ratio", "Share of failed attempts, of the last ten seconds",
          recent.failure_ratio);
}

double dlq_used_of(const core::AckedStats& stats, const core::GroupOptions& options) {
  return std::max(
      static_cast<double>(stats.dead_letters) / options.dlq_entries,
      static_cast<double>(stats.dead_letter_bytes) / static_cast<double>(options.dlq_bytes));
}

// Series per topic and per group.
struct Labelled {
  const core::CatalogSnapshot& catalog;
  LabelledFamily events = gauge("headrace_topic_events", "Events in the topic's log");
  LabelledFamily bytes = gauge("headrace_topic_bytes", "Bytes of batches in the topic's log");
  LabelledFamily lag =
      gauge("headrace_group_lag_events", "Events the group has not committed or settled yet");
  LabelledFamily lag_seconds =
      gauge("headrace_group_lag_seconds", "Age of the oldest event not committed or settled yet");
  LabelledFamily retry = gauge("headrace_group_retry_events",
                               "Events of the acked group that wait for their next attempt");
  LabelledFamily in_flight =
      gauge("headrace_group_in_flight_events", "Events that members of the acked group hold");
  LabelledFamily jobs = gauge("headrace_job_progress_ratio",
                              "Part of an open replay or redrive that is settled, or counted");
  LabelledFamily dlq = gauge("headrace_group_dlq_entries", "Dead letters of the acked group");
  LabelledFamily dlq_bytes = gauge("headrace_group_dlq_bytes", "Bytes of its dead letters");
  LabelledFamily dlq_used = gauge("headrace_group_dlq_used_ratio",
                                  "Part of the quota of dead letters that is used; 1: full");
  LabelledFamily blocked = gauge("headrace_group_dlq_blocked",
                                 "Events out of attempts that wait for space in the dead letters");
  LabelledFamily failure_ratio =
      gauge("headrace_group_failure_ratio",
            "Share of the group's failed attempts, recent ones weigh more");

  std::string tenant(TenantId id) const {
    const auto found = catalog.tenant(id);
    return found == nullptr ? "" : found->name;
  }
  void add(const core::DescribeTopic& described) {
    double count = 0;
    double size = 0;
    for (const auto& partition : described.partitions) {
      count += static_cast<double>(partition.visible_end - partition.log_start);
      size += static_cast<double>(partition.bytes);
    }
    const std::vector<std::pair<std::string, std::string>> labels{
        {"tenant", tenant(described.topic->tenant)}, {"topic", described.topic->name}};
    events.samples.push_back({labels, count});
    bytes.samples.push_back({labels, size});
  }
  void add(const core::GroupStats& stats) {
    const auto put = [&](LabelledFamily* family, double value) {
      family->samples.push_back(
          {{{"tenant", tenant(stats.group->tenant)}, {"group", stats.group->name}}, value});
    };
    put(&lag, static_cast<double>(stats.lag_events));
    put(&lag_seconds, stats.lag_seconds);
    if (!stats.acked) return;
    put(&retry, static_cast<double>(stats.acked->retry));
    put(&in_flight, static_cast<double>(stats.acked->in_flight));
    put(&dlq, static_cast<double>(stats.acked->dead_letters));
    put(&dlq_bytes, static_cast<double>(stats.acked->dead_letter_bytes));
    put(&dlq_used, dlq_used_of(*stats.acked, stats.group->options));
    put(&blocked, static_cast<double>(stats.acked->blocked));
    put(&failure_ratio, stats.acked->failure_rate);
  }
  void add(const core::ListJobs& listed) {
    for (const core::JobStats& job : listed.jobs) {
      if (!job.record.open()) continue;
      jobs.samples.push_back({{{"tenant", tenant(listed.group->tenant)},
                               {"group", listed.group->name},
                               {"job", std::to_string(job.record.lane.value())}},
                              job.percent / 100});
    }
  }
};

// What became of events of types with schemas, by type: the sum over all shards.
class Validations {
 public:
  void add(const core::ShardStats& stats) {
    for (const auto& row : stats.validations) {
      auto& [validated, violations] = counts_[{row.tenant, row.type}];
      validated += row.validated;
      violations += row.violations;
    }
  }
  void add_to(std::vector<LabelledFamily>* to, const core::TenantContext& scraper,
              const core::CatalogSnapshot& catalog) const {
    LabelledFamily validated{"headrace_schema_type_validated_total",
                             "Events validated against the schema of their type",
                             LabelledFamily::Kind::counter,
                             {}};
    LabelledFamily violations{"headrace_schema_type_violations_total",
                              "Events that did not match the schema of their type",
                              LabelledFamily::Kind::counter,
                              {}};
    for (const auto& [of, counts] : counts_) {
      const auto tenant = catalog.tenant(of.first);
      if (tenant == nullptr || !may_name(scraper, of.first)) continue;
      const std::vector<std::pair<std::string, std::string>> labels{{"tenant", tenant->name},
                                                                    {"type", of.second}};
      validated.samples.push_back({labels, static_cast<double>(counts.first)});
      violations.samples.push_back({labels, static_cast<double>(counts.second)});
    }
    to->push_back(std::move(validated));
    to->push_back(std::move(violations));
  }

 private:
  std::map<std::pair<TenantId, std::string>, std::pair<uint64_t, uint64_t>> counts_;
};

// What was refused to whom; only what was.
LabelledFamily denials_of(const core::TenantContext& scraper,
                          const core::CatalogSnapshot& catalog) {
  LabelledFamily family{"headrace_tenant_quota_denials_total",
                        "As headrace_quota_denials_total, by tenant and quota",
                        LabelledFamily::Kind::counter,
                        {}};
  for (const auto& [name, tenant] : catalog.tenants) {
    if (!may_name(scraper, tenant->id) || tenant->use == nullptr) continue;
    for (size_t i = 0; i < core::kQuotas; ++i) {
      const uint64_t count = tenant->use->denials[i].load(std::memory_order_relaxed);
      if (count == 0) continue;
      const std::string quota(core::info(static_cast<core::Quota>(i)).name);
      family.samples.push_back({{{"tenant", name}, {"quota", quota}}, static_cast<double>(count)});
    }
  }
  return family;
}

std::vector<LabelledFamily> families_of(const core::TenantContext& scraper,
                                        const core::CatalogSnapshot& catalog,
                                        const std::vector<core::RequestPtr>& answers,
                                        const Recent& recent) {
  Labelled labelled{catalog};
  Sums sums;
  Validations validations;
  for (const auto& answer : answers) {
    if (answer->error) continue;
    if (answer->kind == core::Request::Kind::describe_topic) {
      labelled.add(core::as<core::DescribeTopic>(*answer));
    } else if (answer->kind == core::Request::Kind::describe_group) {
      labelled.add(core::as<core::DescribeGroup>(*answer).stats);
    } else if (answer->kind == core::Request::Kind::list_jobs) {
      labelled.add(core::as<core::ListJobs>(*answer));
    } else {
      const auto& shard = core::as<core::ShardStats>(*answer);
      for (const auto& stats : shard.groups) sums.add(stats);
      validations.add(shard);
    }
  }
  std::vector<LabelledFamily> families;
  add_one(&families, "headrace_topics", "Topics in the catalog",
          static_cast<double>(catalog.topics.size()));
  add_one(&families, "headrace_groups", "Consumer groups in the catalog",
          static_cast<double>(catalog.groups.size()));
  add_node_wide(&families, sums, recent);
  families.push_back(denials_of(scraper, catalog));
  for (LabelledFamily* one :
       {&labelled.events, &labelled.bytes, &labelled.lag, &labelled.lag_seconds, &labelled.retry,
        &labelled.in_flight, &labelled.jobs, &labelled.dlq, &labelled.dlq_bytes, &labelled.dlq_used,
        &labelled.blocked, &labelled.failure_ratio}) {
    families.push_back(std::move(*one));
  }
  validations.add_to(&families, scraper, catalog);
  return families;
}

}  // namespace

void get_metrics(const CallPtr& call) {
  const Recent recent = call->admin().recent(call->request().received_mono_us);
  Admin& admin = call->admin();
  const uint32_t shards = admin.reactors().front()->shards();
  admin.ask(questions_about(call->tenant(), *call->catalog(), shards),
            [call, recent](std::vector<core::RequestPtr> answers) {
              auto& registry = call->admin().registry();
              call->respond({200,
                             "text/plain; version=0.0.4; charset=utf-8",
                             {},
                             registry.expose(
                                 families_of(call->tenant(), *call->catalog(), answers, recent))});
            });
}

}  // namespace headrace::admin
