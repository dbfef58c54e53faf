// System events: what the audit trail of the shard tells, as events of the tenant's topic $sys, for
// whoever wants to watch or be woken. At least once: their ids are the entries' own, so a repeated
// one is known by it. The topic is made when it is first needed.
//
// Lives on: the shard's reactor, inside its objects.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "broker/core/audit.h"
#include "broker/core/ctx.h"

namespace headrace::core {

class SystemEvents final : public Timer {
 public:
  // Entries of so many microseconds are published together; below 0: none are published.
  SystemEvents(Audit* audit, Ctx* ctx, int64_t delay_us);
  ~SystemEvents() override;

  void start();  // what was not told before the restart
  // Of a create_topic or publish_events of its own.
  void on_reply(RequestPtr reply);
  void stop();

  void on_timer(Time now) override;

 private:
  struct Page;
  struct Letter;
  struct Relay {
    bool busy = false;
    TopicPtr topic;        // as it was made; the catalog's own may come later
    uint64_t reading = 0;  // up to this entry, while it is busy
  };

  bool owes() const;
  void arm(int64_t delay_us);
  void relay(TenantId tenant, Relay* relay);
  void make_topic(TenantId tenant);
  void read(TenantId tenant, const TopicPtr& topic);
  void publish(TenantId tenant, const TopicPtr& topic, const storage::Scan& page);

  Audit* const audit_;
  Ctx* const ctx_;
  const int64_t delay_us_;
  bool armed_ = false;
  std::map<TenantId, Relay> relays_;
  std::shared_ptr<SystemEvents*> alive_;
};

}  // namespace headrace::core
