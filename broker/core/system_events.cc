#include "broker/core/system_events.h"

#include <deque>

#include "broker/limits.h"
#include "json/audit.h"
#include "metrics/log.h"
#include "records.pb.h"
#include "storage/byte_reader.h"
#include "storage/event_attributes.h"

namespace headrace::core {
namespace {

std::string body_of(const records::AuditEntry& entry) {
  std::string body;
  JsonLine line(&body);
  audit_fields(&line, entry);
  line.end();
  body.pop_back();  // the end of the line
  return body;
}

}  // namespace

struct SystemEvents::Page final : storage::Scan {
  void run() override {
    std::unique_ptr<Page> self(this);
    if (auto events = alive.lock()) (*events)->publish(tenant, topic, *this);
  }
  std::weak_ptr<SystemEvents*> alive;
  TenantId tenant;
  TopicPtr topic;
};

// What the events of one publish point to.
struct SystemEvents::Letter {
  struct Event {
    std::string id;
    std::string type;
    std::string object;
    std::string body;
  };
  std::deque<Event> events;
};

SystemEvents::SystemEvents(Audit* audit, Ctx* ctx, int64_t delay_us)
    : audit_(audit), ctx_(ctx), delay_us_(delay_us), alive_(std::make_shared<SystemEvents*>(this)) {
  if (delay_us_ < 0) return;
  audit_->on_commit([this] {
    if (!armed_ && owes()) arm(delay_us_);
  });
}

SystemEvents::~SystemEvents() {
  ctx_->disarm(this);
}

void SystemEvents::start() {
  if (delay_us_ >= 0 && owes()) arm(delay_us_);
}

void SystemEvents::stop() {
  ctx_->disarm(this);
  audit_->on_commit({});
  alive_.reset();
}

bool SystemEvents::owes() const {
  for (const auto& [tenant, head] : audit_->heads()) {
    if (head.told < head.last) return true;
  }
  return false;
}

void SystemEvents::arm(int64_t delay_us) {
  armed_ = true;
  ctx_->arm(this, ctx_->now().mono_us + delay_us);
}

void SystemEvents::on_timer(Time) {
  armed_ = false;
  for (const auto& [tenant, head] : audit_->heads()) {
    if (head.told < head.last) relay(tenant, &relays_[tenant]);
  }
}

void SystemEvents::relay(TenantId tenant, Relay* relay) {
  if (relay->busy) return;
  relay->busy = true;
  const TopicPtr known = ctx_->catalog()->topic(tenant, kSystemTopic);
  if (known != nullptr) relay->topic = known;
  if (relay->topic == nullptr) return make_topic(tenant);
  read(tenant, relay->topic);
}

void SystemEvents::make_topic(TenantId tenant) {
  auto request = std::make_unique<CreateTopic>(Access::node(tenant));
  request->name = kSystemTopic;
  request->system = true;
  request->retention.age_us = limits::kSystemEventsAgeUs;
  request->retention.bytes = limits::kSystemEventsBytes;
  request->shard = kMetaShard;
  request->origin = ctx_->epoch().value();
  ctx_->submit(std::move(request));
}

void SystemEvents::read(TenantId tenant, const TopicPtr& topic) {
  auto* page = new Page;
  page->alive = alive_;
  page->tenant = tenant;
  page->topic = topic;
  page->place = {storage::Table::audit, Month(0), tenant};
  page->from = storage::audit_key(tenant, ctx_->shard(), audit_->heads().at(tenant).told + 1);
  page->to = storage::audit_prefix(tenant, ctx_->shard()).after_prefix();
  page->max_rows = limits::kSystemEventsPerPublish;
  page->max_bytes = limits::kFoldBytes;
  page->sink = ctx_->sink();
  ctx_->store().scan(page);
}

void SystemEvents::publish(TenantId tenant, const TopicPtr& topic, const storage::Scan& page) {
  Relay& relay = relays_[tenant];
  if (page.rows.empty()) {  // its read failed, or what is there is not durable yet
    relay.busy = false;
    if (!armed_) arm(limits::kSystemEventsAgainUs);
    return;
  }
  auto letter = std::make_shared<Letter>();
  auto request = std::make_unique<PublishEvents>(Access::node(tenant));
  request->topic = topic;
  request->shard = topic->shard;
  request->atomic = true;
  request->message = letter;
  request->origin = ctx_->epoch().value();
  for (const auto& row : page.rows) {
    const auto parts = storage::parse_audit_key(row.key.view());
    const auto value = storage::decode_audit_row(storage::as_text(row.value.span()));
    records::AuditEntry entry;
    HR_CHECK(parts);
    relay.reading = parts->sequence;
    if (!value ||
        !entry.ParseFromArray(value->entry.data(), static_cast<int>(value->entry.size()))) {
      log::error("an audit entry does not parse and is no system event",
                 {{"row", storage::to_text(storage::Table::audit, row.key.view())}});
      continue;
    }
    const auto& event = letter->events.emplace_back(Letter::Event{
        "audit-" + std::to_string(parts->shard.value()) + "-" + std::to_string(parts->sequence),
        "headrace." + entry.action(), entry.object(), body_of(entry)});
    auto& item = request->items.emplace_back();
    item.headers = {{storage::kHeaderId, event.id},
                    {storage::kHeaderType, event.type},
                    {storage::kHeaderSource, "/headrace"},
                    {storage::kHeaderContentType, "application/json"}};
    item.fields.key = event.object;
    item.fields.value = event.body;
    item.fields.timestamp_ms = entry.at_us() / kMicrosPerMilli;
  }
  if (request->items.empty()) {
    relay.busy = false;
    return audit_->told(tenant, relay.reading);
  }
  // Where the items stay.
  for (auto& item : request->items) item.fields.headers = item.headers;
  ctx_->submit(std::move(request));
}

void SystemEvents::on_reply(RequestPtr reply) {
  if (reply->origin != ctx_->epoch().value()) return;  // asked before the shard was loaded again
  const TenantId tenant = reply->tenant.tenant();
  Relay& relay = relays_[tenant];
  if (reply->error.code == ErrorCode::unknown_tenant) {  // it is gone: nobody is left to be told
    relay = {};
    return audit_->told(tenant, audit_->heads().at(tenant).last);
  }
  if (reply->error) {
    log::warn("system events wait",
              {{"tenant", tenant.value()}, {"error", reply->error.message()}});
    relay = {};
    if (!armed_) arm(limits::kSystemEventsAgainUs);
    return;
  }
  if (reply->kind == Request::Kind::create_topic) {
    relay.topic = as<CreateTopic>(*reply).topic;
    return read(tenant, relay.topic);
  }
  relay.busy = false;
  audit_->told(tenant, relay.reading);
}

}  // namespace headrace::core
