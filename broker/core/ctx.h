// The world as the core sees it: one time per turn, one WriteSet per turn, rows by completion,
// timers that become commands, replies that wait for the commit. Implemented by runtime/shard.
//
// Lives on: the reactor that owns the shard; valid during a call.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "broker/core/api.h"
#include "metrics/time.h"
#include "storage/store.h"

namespace headrace::core {

class Audit;
class Rollups;
class Tail;

// Something of the shard that wants to know when the set it wrote into became durable.
class Committable {
 public:
  virtual ~Committable() = default;
  virtual void on_committed(class Ctx& ctx, uint64_t sequence) = 0;

  uint64_t touched_sequence = 0;  // the shard's own: the newest set this object wrote into
};

// An entry of the timer wheel. Firing is a command: on_timer builds WriteSets as a request would.
class Timer {
 public:
  virtual ~Timer() = default;
  virtual void on_timer(Time now) = 0;

  // The wheel's own.
  Timer* wheel_next = nullptr;
  Timer* wheel_previous = nullptr;
  int16_t wheel_slot = -1;
  int64_t deadline_mono_us = -1;  // -1: not armed
};

class Ctx {
 public:
  virtual ~Ctx() = default;

  virtual const Time& now() const = 0;
  // The wall clock jumped: nothing is removed by it for the time being.
  virtual bool clock_suspect() const = 0;
  virtual Epoch epoch() const = 0;

  // This turn's set and the sequence it will have; `who` (may be null) is told when it is durable.
  virtual storage::WriteSet& writes(Committable* who) = 0;
  virtual uint64_t sequence() const = 0;
  virtual uint64_t committed_sequence() const = 0;

  // Answers now: nothing of it depends on a write.
  virtual void reply(RequestPtr request) = 0;
  // Answers when set `sequence` (default: this turn's) has reached `durability`.
  virtual void reply_committed(RequestPtr request, Durability durability) = 0;
  virtual void reply_committed(RequestPtr request, uint64_t sequence) = 0;

  virtual storage::Store& store() = 0;
  virtual storage::CompletionSink* sink() = 0;  // for reads and scans of the core's objects
  virtual void arm(Timer* timer, int64_t deadline_mono_us) = 0;
  virtual void disarm(Timer* timer) = 0;

  virtual ShardId shard() const = 0;
  virtual Audit& audit() = 0;  // entries go into this turn's set
  virtual Rollups& rollups() = 0;
  virtual Tail& tail() = 0;
  virtual const CatalogPtr& catalog() const = 0;          // the newest snapshot known here
  virtual void publish_catalog(CatalogPtr snapshot) = 0;  // meta shard: to every reactor
  virtual void submit(RequestPtr request) = 0;            // to another shard
  virtual void forget(Committable* object) = 0;           // before it is destroyed
  // The newest month not after `wanted` whose family exists, else the oldest; nullopt only before
  // the first is made.
  virtual std::optional<Month> writable_month(Month wanted) const = 0;
};

}  // namespace headrace::core
