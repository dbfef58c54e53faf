// The Store seam: the only way the broker keeps anything. Implementations: RocksStore (the real
// one) and MemStore (simulation, unit tests). tests/conformance/store_suite.h is the contract.
//
// Threads: any reactor may call; calls never block and never fail by themselves. Results come back
// as completions posted to the sink named in the request, i.e. they run on the reactor that asked.
// Ownership: the caller owns every request object and keeps it alive and unmoved until it
// completes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/shared_bytes.h"
#include "storage/status.h"
#include "storage/write_set.h"

namespace headrace::storage {

// An intrusive item that travels back to the thread that asked. run() is called exactly once per
// post, on the sink's thread.
struct Completion {
  virtual ~Completion() = default;
  virtual void run() = 0;

  Completion* next = nullptr;  // owned by the sink between post() and run()
};

class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  virtual void post(Completion* completion) noexcept = 0;  // any thread; wakes the sink's thread
};

// One WriteSet on its way. Sets of one shard complete in the order of their sequence.
//  - It is applied only if its sequence is that of the shard's `applied` row + 1, and moves that
//  row
//    (state family, applied_key(shard) → u64 big-endian) along with it, atomically. A lower one was
//    applied before: it completes ok without effect. A gap is a bug of the caller.
//  - It is `fenced` if its epoch is lower than the shard's epoch row (epoch_key(shard) → u32
//    big-endian), which a shard puts in its first set after loading.
//  - Months must exist (create_month) before a set names them, and must not be dropped.
//  - `written` is posted once the set is in the operating system's hands, only if asked for;
//  - the Commit itself is posted exactly once, when the set is *synced* (whatever its durability),
//    so that what it made visible can be shown. A set that nobody wants durable is synced with the
//    next one that is, or within kLazySyncMs.
struct Commit : Completion {
  WriteSet set;
  CompletionSink* sink = nullptr;
  Completion* written = nullptr;  // optional; not owned
  uint32_t weight = 1;            // the largest of the tenants whose events it holds
  Status status = Status::ok;  // out: ok, fenced, unknown or full. Anything else ends the process
};

constexpr int64_t kLazySyncMs = 100;

// Exact-key look-up, in the order given.
struct Read : Completion {
  // On the worker that read, for each item that was found, in order; before the completion is
  // posted. False: the value is not kept. What it touches belongs to it until then.
  virtual bool wants(size_t /*item*/, std::string_view /*value*/) noexcept { return true; }

  struct Item {
    Place place;
    Key key;
    SharedBytes value;   // out
    bool found = false;  // out
  };
  std::vector<Item> items;
  CompletionSink* sink = nullptr;
  // Out. A missing key is not an error. `gone`: a month without a family, see Maintenance. `full`:
  // too many reads and scans of the tenant wait (RocksOptions::max_queued_reads); nothing was read,
  // ask again later. `corrupt`, `io_error`: the file, or the disk below it.
  Status status = Status::ok;
};

// Ordered rows of [from, to), or backwards from the last one below `to`. Sees one committed
// (synced) state: never a row of a set that could still be lost.
struct Scan : Completion {
  // As Read::wants, for each row. False leaves it out of `rows`, but not out of the limits.
  virtual bool wants(std::string_view /*key*/, std::string_view /*value*/) noexcept { return true; }
  struct Row {
    Key key;
    SharedBytes value;
  };
  Place place;
  Key from;
  Key to;
  bool reverse = false;
  bool keys_only = false;  // then the rows have no values
  size_t max_rows = 1'000;
  size_t max_bytes = 4u << 20;
  CompletionSink* sink = nullptr;
  std::vector<Row> rows;       // out
  bool more = false;           // out: stopped by a limit; go on after (reverse: below) the last row
  Status status = Status::ok;  // out: as of a Read; not ok: no rows
};

// What is not a row: families and files. Runs in order with the commits around it.
//
// After drop_month the tenant has no rows in that month, before and after a restart, and no set may
// name the two again unless the month is created again. Reads find nothing there; they answer
// `gone` when the month has no family at all: never made, or left without a row of anybody and
// removed when the store was opened (the two newest months stay, they are made ahead).
struct Maintenance : Completion {
  enum class Kind : uint8_t {
    // Make the log family of `month` for pooled tenants and one for each of `dedicated`, but for
    // those that have rows in the pooled one already: they stay there.
    create_month,
    drop_month,     // drop (month, tenant): a dedicated family whole, a pooled tenant by range
    compact_range,  // give the space of [from, to) of `place` back
  };
  Kind kind = Kind::create_month;
  Month month{0};
  TenantId tenant{0};
  std::vector<TenantId> dedicated;
  Place place;
  Key from;
  Key to;
  CompletionSink* sink = nullptr;
  Status status = Status::ok;  // out
};

// Computing that would hold a reactor: a worker calls execute(), then it completes. What it touches
// belongs to it until then.
struct Work : Completion {
  virtual void execute() noexcept = 0;  // on a worker
  TenantId tenant = kNodeTenant;        // for whom it is
  CompletionSink* sink = nullptr;
  Status status = Status::ok;  // out: `full` if it was not executed, because too much waits
};

// What the store can take right now. Read every turn; relaxed, never blocks.
struct Pressure {
  uint64_t in_flight_bytes = 0;  // submitted and not completed
  uint64_t budget_bytes = 0;     // publishes stop above this; shrinks before RocksDB would stall
  enum class Disk : uint8_t { ok, low, critical } disk = Disk::ok;
  bool takes_publishes() const { return in_flight_bytes < budget_bytes && disk == Disk::ok; }
};

class Store {
 public:
  virtual ~Store() = default;
  virtual void commit(Commit* commit) = 0;
  virtual void read(Read* read) = 0;
  virtual void scan(Scan* scan) = 0;
  virtual void maintain(Maintenance* work) = 0;
  virtual void work(Work* work) = 0;
  virtual Pressure pressure() const = 0;
};

}  // namespace headrace::storage
