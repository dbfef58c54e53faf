// Batches on their way to a client that lacks their codec: inflated by a worker of the store, never
// on the reactor. A connection has one such job at a time, so its answers keep their order; a
// reactor has a few (limits::kRecodesInFlight), the other connections wait their turn, and who does
// not read its replies is not in the queue.
//
// Lives on: made on the reactor, executed on a worker, run on the reactor. Owns itself in between.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "broker/core/api.h"
#include "storage/store.h"

namespace headrace::native {

class Server;
class Session;

// What a client can inflate: a bit a codec.
class CodecSet {
 public:
  void add(storage::Codec codec) { bits_ |= bit(codec); }
  bool contains(storage::Codec codec) const { return (bits_ & bit(codec)) != 0; }
  // Whether every batch can be read.
  bool reads(const std::vector<core::StoredBatch>& batches) const;

 private:
  static unsigned bit(storage::Codec codec) { return 1u << static_cast<unsigned>(codec); }
  unsigned bits_ = bit(storage::Codec::none);
};

class Recode final : public storage::Work {
 public:
  // `batches` may have become fewer: what would be too large comes with the next request.
  using Done =
      std::function<void(Session&, const core::Error&, std::vector<core::StoredBatch> batches)>;

  Recode(std::vector<core::StoredBatch> batches, CodecSet readable, Done done)
      : batches_(std::move(batches)), readable_(readable), done_(std::move(done)) {}

  // Hands itself over to the store; comes back by Server::on_recoded.
  static void start(std::unique_ptr<Recode> self, Server* server, uint64_t origin);

  void execute() noexcept override;
  void run() override;
  uint64_t origin() const { return origin_; }
  void finish(Session& session) { done_(session, error_, std::move(batches_)); }

 private:
  std::vector<core::StoredBatch> batches_;
  const CodecSet readable_;
  const Done done_;
  core::Error error_;
  Server* server_ = nullptr;
  uint64_t origin_ = 0;
};

}  // namespace headrace::native
