// What a shard needs of the reactor it lives on. Implemented by Reactor (and by nobody else); an
// interface, so that shard and reactor can be read one at a time.
//
// Lives on: the reactor.
#pragma once

#include <optional>

#include "broker/core/ctx.h"
#include "broker/core/objects.h"
#include "broker/core/tail.h"
#include "broker/runtime/inbox.h"
#include "broker/runtime/timer_wheel.h"

namespace headrace::runtime {

class Shard;

class Services {
 public:
  virtual ~Services() = default;
  virtual const Time& now() const = 0;
  virtual bool clock_suspect() const = 0;
  virtual storage::Store& store() = 0;
  virtual Inbox& inbox() = 0;
  virtual TimerWheel& wheel() = 0;
  virtual core::Tail& tail() = 0;
  virtual std::optional<Month> writable_month(Month wanted) const = 0;
  virtual const core::CatalogPtr& catalog() const = 0;
  virtual void publish_catalog(core::CatalogPtr snapshot) = 0;  // meta shard only
  virtual void submit(core::RequestPtr request) = 0;            // to the owner of request->shard
  virtual void deliver_reply(core::RequestPtr request) = 0;     // to its requester
  virtual void mark_dirty(Shard* shard) = 0;                    // flush at the end of the turn
  virtual const core::ShardOptions& shard_options() const = 0;
};

}  // namespace headrace::runtime
