// What connects the reactors of a node: a mailbox per ordered pair, and who to wake.
//
// Built by the node before the threads start; the mailboxes are the only things shared.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "broker/core/api.h"
#include "broker/limits.h"
#include "broker/runtime/mailbox.h"
#include "net/io.h"

namespace headrace::runtime {

// What one reactor sends to another: a request to answer, an answer, a new catalog, or a month
// whose family exists now.
struct Letter {
  enum class Kind : uint8_t { nothing, request, reply, catalog, month };
  Kind kind = Kind::nothing;
  core::RequestPtr request;
  core::CatalogPtr catalog;
  Month month;
};

class Fabric {
 public:
  explicit Fabric(uint32_t reactors) : reactors_(reactors), ios_(reactors, nullptr) {
    for (uint32_t i = 0; i < reactors * reactors; ++i) {
      boxes_.push_back(std::make_unique<Mailbox<Letter>>(limits::kMailboxLetters));
    }
  }

  uint32_t reactors() const { return reactors_; }
  uint32_t owner(ShardId shard) const { return shard.value() % reactors_; }
  Mailbox<Letter>& box(uint32_t from, uint32_t to) { return *boxes_[from * reactors_ + to]; }
  void set_io(uint32_t reactor, net::Io* io) { ios_[reactor] = io; }
  void wake(uint32_t reactor) { ios_[reactor]->wake(); }

 private:
  const uint32_t reactors_;
  std::vector<std::unique_ptr<Mailbox<Letter>>> boxes_;
  std::vector<net::Io*> ios_;
};

}  // namespace headrace::runtime
