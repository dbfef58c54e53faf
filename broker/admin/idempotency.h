// What was answered to requests with an Idempotency-Key, so that one which is sent again is not
// done again. Kept in memory, per tenant and caller, for limits::kIdempotencyUs; a restart forgets
// it. Only what was done is kept: a refused request may be sent again with its key. An answer that
// must not be stored (it holds a secret) or is large is not kept, but that it was given is.
//
// Lives on: the HTTP thread. Bounds: keys of a caller, keys and bytes of a tenant and of all; at
// each the oldest answered one goes, of that caller, that tenant, or the tenant that has most. One
// that is being answered is never forgotten: a caller or a tenant with too many of those is told
// to wait.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <tuple>

#include "broker/core/access.h"
#include "metrics/sha256.h"
#include "net/http/message.h"

namespace headrace::admin {

class Idempotency {
 public:
  // Whose key it is. Another version of the caller's rights is another caller: what these would
  // refuse is asked of them again.
  struct Key {
    TenantId tenant;
    std::string caller;
    std::string key;
    auto tie() const { return std::tie(tenant, caller, key); }
    bool operator<(const Key& other) const { return tie() < other.tie(); }
  };
  static std::string caller_of(const core::TenantContext& who);
  static Sha256 fingerprint(const http::Request& request);
  static core::Error check(std::string_view key);  // 1 to 255 visible characters

  // Nothing: the request is new and shall be done, then finish() is called. `*kept` has a status:
  // that is the answer. Else idempotency_mismatch, idempotency_pending, idempotency_spent or busy.
  core::Error begin(const Key& key, const Sha256& fingerprint, int64_t now_mono_us,
                    http::Response* kept);
  void finish(const Key& key, const http::Response& response, int64_t now_mono_us);

  size_t size() const { return entries_.size(); }
  size_t size_bytes() const { return bytes_; }

 private:
  enum class State : uint8_t { pending, kept, spent };
  struct Entry {
    Sha256 fingerprint;
    State state = State::pending;
    http::Response response;
    int64_t ends_mono_us = 0;
    std::list<Key>::iterator age;
  };
  using Entries = std::map<Key, Entry>;
  struct OfTenant {
    std::list<Key> ages;  // oldest first
    size_t bytes = 0;
    size_t pending = 0;
  };

  void erase(Entries::iterator entry);
  void forget_overdue(OfTenant* of, int64_t now_mono_us);
  // The oldest one that is answered, if given of this caller; false: none is.
  bool forget_one(OfTenant* of, const std::string* caller);
  core::Error make_room(const Key& key, int64_t now_mono_us);

  Entries entries_;
  std::map<TenantId, OfTenant> tenants_;
  size_t bytes_ = 0;
};

}  // namespace headrace::admin
