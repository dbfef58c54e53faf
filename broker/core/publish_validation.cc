#include "broker/core/publish_validation.h"

#include <algorithm>

#include "broker/core/publish_types.h"
#include "broker/limits.h"
#include "metrics/counters.h"
#include "metrics/log.h"
#include "metrics/utf8.h"
#include "storage/event_attributes.h"

namespace headrace::core {
namespace {

constexpr uint32_t kToldPerSecond = 10;

std::string_view attribute(const PublishEvents::Item& item, std::string_view name) {
  for (const storage::HeaderField& header : item.headers) {
    if (header.key == name) return header.value.value_or(std::string_view());
  }
  return {};
}

// Refused as a whole if any of its events is.
bool stands_as_one(const Request& publish) {
  if (publish.kind != Request::Kind::publish_events) return true;
  const auto& events = static_cast<const PublishEvents&>(publish);
  return events.atomic || events.producer != kNoProducer;
}

}  // namespace

struct PublishValidation::Event {
  size_t number = 0;  // of the event in its publish
  std::string_view type, id, version;
  std::string_view value;
};

struct PublishValidation::Violation {
  size_t publish = 0;
  size_t number = 0;
  std::string type;
  std::string id;
  std::string version;  // as the event says
  Validation mode = Validation::advisory;
  std::vector<schema::Issue> issues;
  std::string stored;  // mode dead-letter: what is stored of it; empty: that it does not match

  std::string text() const {
    std::string text;
    for (const schema::Issue& issue : issues) {
      if (!text.empty()) text += "; ";
      text += issue.path.empty() ? issue.message : issue.path + ": " + issue.message;
    }
    return clean_utf8(text, limits::kErrorTextMax);
  }
};

std::vector<schema::Issue> PublishValidation::issues_of(const Event& event, const SchemaType& type,
                                                        int64_t* steps) {
  const auto named = parse_schema_version(event.version);
  if (!event.version.empty() && !named) return {{"", "ce_schemaversion is not a version"}};
  const SchemaVersionPtr version = type.of_event(named);
  if (version == nullptr) return {{"", "the type has no such version"}};
  const schema::CompiledPtr compiled = schema::compiled(version->source);
  if (compiled == nullptr) return {{"", "the schema does not compile any more"}};
  if (*steps <= 0) return {{"", "takes too long to validate, with the events before it"}};
  return compiled->check(event.value, steps);
}

struct PublishValidation::Job final : storage::Work {
  void execute() noexcept override {
    for (size_t i = 0; i < publishes.size(); ++i) {
      if (publishes[i]->kind == Request::Kind::publish_events) {
        look_at(i, as<PublishEvents>(*publishes[i]));
      } else {
        look_at(i, as<PublishBatch>(*publishes[i]));
      }
    }
  }

  void run() override {
    std::unique_ptr<Job> self(this);
    if (const auto alive = owner.lock()) return alive->done(*this);
    refuse(Error(ErrorCode::busy, "the shard is loaded again"));
  }

  void refuse(const Error& error) {
    for (RequestPtr& publish : publishes) {
      publish->error = error;
      publish->error.retry_after_ms = 100;
      ctx->reply(std::move(publish));
    }
  }

  void look_at(size_t publish, const PublishEvents& events) {
    for (size_t i = 0; i < events.items.size(); ++i) {
      const PublishEvents::Item& item = events.items[i];
      if (item.error) continue;
      look_at(publish,
              {i, attribute(item, storage::kHeaderType), attribute(item, storage::kHeaderId),
               attribute(item, storage::kHeaderSchemaVersion),
               item.fields.value.value_or(std::string_view())});
    }
  }

  void look_at(size_t publish, const PublishBatch& batch) {
    std::string inflated;
    std::span<const std::byte> records;
    auto failed = storage::records_of(batch.batch.span(), batch.header, &inflated,
                                      limits::kInflateBytesMax, &records);
    storage::RecordReader reader(records, batch.header);
    storage::RecordView record;
    size_t number = 0;
    while (failed == storage::BatchError::ok && reader.next(&record)) {
      const auto header = [&](std::string_view name) {
        return record.header(name).value_or(std::string_view());
      };
      look_at(publish,
              {number++, header(storage::kHeaderType), header(storage::kHeaderId),
               header(storage::kHeaderSchemaVersion), record.value.value_or(std::string_view())});
    }
    if (failed == storage::BatchError::ok) failed = reader.error();
    // One that cannot be inflated might hold what an enforced schema refuses.
    if (failed == storage::BatchError::ok || !schemas->any_enforced) return;
    publishes[publish]->error = Error(ErrorCode::invalid_batch, std::string(to_string(failed)));
  }

  void look_at(size_t publish, const Event& event) {
    const SchemaTypePtr type = schemas->active(event.type);
    if (type == nullptr) return;
    ++validated[type->type];
    auto issues = issues_of(event, *type, &steps);
    if (issues.empty()) return;
    ++violated[type->type];
    const bool others = !violations.empty() && violations.back().publish == publish;
    of_publish = others ? of_publish + 1 : 1;
    if (!others) texts_bytes = 0;
    if (of_publish > storage::kViolationsMax) {
      if (keeps_out(type->mode)) {
        publishes[publish]->error = Error(ErrorCode::schema_violation, too_many_text());
      }
      return;
    }
    violations.push_back({publish,
                          event.number,
                          std::string(event.type),
                          clean_utf8(event.id, limits::kNameMax),
                          clean_utf8(event.version, limits::kNameMax),
                          type->mode,
                          std::move(issues),
                          {}});
    if (type->mode == Validation::dead_letter) take_text(&violations.back());
  }

  // Here, because texts of a large batch take time. As many as a stored batch has room for.
  void take_text(Violation* violation) {
    if (texts_bytes >= storage::kViolationTextsMax) return;
    violation->stored = violation->text();
    if (redactor != nullptr) violation->stored = redactor->text(violation->stored);
    violation->stored = clean_utf8(violation->stored, storage::kViolationTextMax);
    texts_bytes += violation->stored.size();
  }

  // What is remembered of a publish is bounded, and what is not remembered cannot be kept back.
  static std::string too_many_text() {
    return "more than " + std::to_string(storage::kViolationsMax) +
           " events of one batch do not match their schemas";
  }

  std::weak_ptr<PublishValidation> owner;
  Ctx* ctx = nullptr;
  Line line;
  TenantSchemasPtr schemas;
  std::shared_ptr<const Redactor> redactor;  // may be null
  std::vector<RequestPtr> publishes;
  int64_t started_mono_us = 0;
  // out
  int64_t steps = limits::kValidationStepsPerJob;
  std::map<std::string, uint64_t> validated;  // by type
  std::map<std::string, uint64_t> violated;   // likewise
  std::vector<Violation> violations;          // in the order of publishes
  size_t of_publish = 0;                      // violations of the one looked at last
  size_t texts_bytes = 0;                     // of them
};

// ---- what has to be validated

bool PublishValidation::concerns(const Request& publish) const {
  const TenantSchemasPtr schemas = ctx_->catalog()->schemas_of(publish.tenant.tenant());
  if (schemas == nullptr || !schemas->any_active) return false;
  if (publish.kind == Request::Kind::publish_events) {
    const auto& items = static_cast<const PublishEvents&>(publish).items;
    return std::ranges::any_of(items, [&](const PublishEvents::Item& item) {
      return !item.error && schemas->active(attribute(item, storage::kHeaderType)) != nullptr;
    });
  }
  const auto& batch = static_cast<const PublishBatch&>(publish);
  // What a client states of a compressed batch does not get it past a schema that is enforced.
  if (batch.header.codec() != storage::Codec::none && schemas->any_enforced) return true;
  if (batch.summary.types_unknown) return true;
  return std::ranges::any_of(
      batch.summary.types, [&](const auto& type) { return schemas->active(type.type) != nullptr; });
}

RequestPtr PublishValidation::admit(RequestPtr publish) {
  bool& validated = publish->kind == Request::Kind::publish_events
                        ? as<PublishEvents>(*publish).validated
                        : as<PublishBatch>(*publish).validated;
  if (validated || publish->tenant.caller() == nullptr) return publish;
  validated = true;
  if (!admit_types(publish.get())) {
    ctx_->reply(std::move(publish));
    return nullptr;
  }
  const Line line =
      publish->foreign ? Line(nullptr, ++foreign_) : Line(publish->requester, publish->origin);
  const auto at = lines_.empty() ? lines_.end() : lines_.find(line);
  if (at != lines_.end()) {
    if (at->second.size() < limits::kPublishesBehindValidation) {
      at->second.push_back(std::move(publish));
      return nullptr;
    }
    publish->error = Error(ErrorCode::busy, "too many publishes wait for their validation");
    ctx_->reply(std::move(publish));
    return nullptr;
  }
  if (!concerns(*publish)) return publish;
  std::vector<RequestPtr> one;
  one.push_back(std::move(publish));
  lines_[line];
  start(line, std::move(one));
  return nullptr;
}

void PublishValidation::start(const Line& line, std::vector<RequestPtr> publishes) {
  auto* job = new Job;
  job->owner = weak_from_this();
  job->ctx = ctx_;
  job->sink = ctx_->sink();
  job->tenant = publishes.front()->tenant.tenant();
  job->line = line;
  job->schemas = ctx_->catalog()->schemas_of(publishes.front()->tenant.tenant());
  job->redactor = redactor_;
  job->publishes = std::move(publishes);
  job->started_mono_us = ctx_->now().mono_us;
  ctx_->store().work(job);
}

// ---- what became of it

void PublishValidation::done(Job& job) {
  if (dropped_ || job.status != storage::Status::ok) {
    job.refuse(Error(ErrorCode::busy,
                     dropped_ ? "the shard is loaded again" : "too much waits for the workers"));
  } else {
    count(job);
    metrics::record(metrics::Timing::validation_time, ctx_->now().mono_us - job.started_mono_us);
    for (size_t i = 0; i < job.publishes.size(); ++i) finish(job, i);
  }
  if (!dropped_) next(job.line);
}

void PublishValidation::count(const Job& job) {
  const TenantId tenant = job.publishes.front()->tenant.tenant();
  // Types whose schemas were deleted make room.
  if (counts_.size() >= limits::kValidationCounts) {
    std::erase_if(counts_, [&](const auto& entry) {
      return ctx_->catalog()->schema_type(entry.first.first, entry.first.second) == nullptr;
    });
  }
  for (const auto& [type, validated] : job.validated) {
    metrics::add(metrics::Counter::schema_validated, validated);
    if (counts_.size() < limits::kValidationCounts) counts_[{tenant, type}].validated += validated;
  }
  for (const auto& [type, violated] : job.violated) {
    metrics::add(metrics::Counter::schema_violations, violated);
    const auto at = counts_.find({tenant, type});
    if (at != counts_.end()) at->second.violations += violated;
  }
}

void PublishValidation::stats(TenantId tenant, std::vector<ShardStats::ValidationRow>* rows) const {
  for (const auto& [of, counts] : counts_) {
    if (tenant != kNodeTenant && tenant != of.first) continue;
    rows->push_back({of.first, of.second, counts.validated, counts.violations});
  }
}

// One publish of the job, with its violations.
void PublishValidation::finish(Job& job, size_t number) {
  RequestPtr publish = std::move(job.publishes[number]);
  for (const Violation& violation :
       std::ranges::equal_range(job.violations, number, {}, &Violation::publish)) {
    tell(*publish, violation);
    if (violation.mode == Validation::enforce) refuse(publish.get(), violation);
    if (violation.mode == Validation::dead_letter) keep_back(publish.get(), violation);
  }
  const bool nothing_left =
      !stands_as_one(*publish) &&
      std::ranges::all_of(as<PublishEvents>(*publish).items, [](const PublishEvents::Item& item) {
        return static_cast<bool>(item.error);
      });
  if (publish->error || nothing_left) return ctx_->reply(std::move(publish));
  go_on_(std::move(publish));
}

void PublishValidation::refuse(Request* publish, const Violation& violation) {
#ifdef HEADRACE_PLANTED
  if (violation.number == 1) return;  // it is stored; the simulation must see it
#endif
  metrics::add(metrics::Counter::schema_refused);
  Error& error = stands_as_one(*publish)
                     ? publish->error
                     : as<PublishEvents>(*publish).items[violation.number].error;
  if (error) return;
  error = Error(ErrorCode::schema_violation, "events[" + std::to_string(violation.number) +
                                                 "], type '" + violation.type +
                                                 "': " + violation.text());
}

// It is stored with what is wrong: its groups read that with the batch.
void PublishValidation::keep_back(Request* publish, const Violation& violation) {
#ifdef HEADRACE_PLANTED
  if (violation.number == 2) return;  // a handler gets it; the simulation must see it
#endif
  metrics::add(metrics::Counter::schema_kept_back);
  if (publish->kind != Request::Kind::publish_events) {
    return as<PublishBatch>(*publish).violations.add(static_cast<uint32_t>(violation.number),
                                                     violation.stored);
  }
  std::string& text = as<PublishEvents>(*publish).items[violation.number].violation;
  text = violation.stored.empty() ? std::string(kViolatesSchema) : violation.stored;
}

void PublishValidation::next(const Line& line) {
  std::vector<RequestPtr> publishes;
  while (true) {
    auto& waiting = lines_[line];
    if (waiting.empty()) break;
    // Of one tenant: a connection has no other.
    if (publishes.empty() && !concerns(*waiting.front())) {
      RequestPtr publish = std::move(waiting.front());
      waiting.pop_front();
      go_on_(std::move(publish));
      continue;
    }
    publishes.push_back(std::move(waiting.front()));
    waiting.pop_front();
    if (publishes.size() == limits::kPublishesPerValidation) break;
  }
  if (publishes.empty()) {
    lines_.erase(line);
  } else {
    start(line, std::move(publishes));
  }
}

// At most some a second: an advisory schema must not fill the log.
void PublishValidation::tell(const Request& publish, const Violation& violation) {
  const int64_t now_us = ctx_->now().mono_us;
  if (now_us >= next_tell_mono_us_) {
    next_tell_mono_us_ = now_us + kMicrosPerSecond;
    told_ = 0;
  }
  if (told_ == kToldPerSecond) {
    ++untold_;
    return;
  }
  ++told_;
  const TopicPtr& topic = publish.kind == Request::Kind::publish_events
                              ? static_cast<const PublishEvents&>(publish).topic
                              : static_cast<const PublishBatch&>(publish).topic;
  const TenantPtr tenant = ctx_->catalog()->tenant(publish.tenant.tenant());
  log::warn("an event does not match the schema of its type",
            {{"tenant", tenant == nullptr ? std::string() : tenant->name},
             {"topic", topic->name},
             {"event_id", violation.id},
             {"event_type", violation.type},
             {"schema_version", violation.version},
             {"mode", std::string(to_string(violation.mode))},
             {"issues", violation.text()},
             {"since_the_last_line", untold_}});
  untold_ = 0;
}

void PublishValidation::drop(const Error& error) {
  dropped_ = true;
  for (auto& [line, waiting] : lines_) {
    for (RequestPtr& publish : waiting) {
      publish->error = error;
      ctx_->reply(std::move(publish));
    }
  }
  lines_.clear();
}

}  // namespace headrace::core
