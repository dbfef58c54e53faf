#include "broker/admin/idempotency.h"

#include <algorithm>

#include "broker/limits.h"

namespace headrace::admin {
namespace {

// A request whose answer got lost inside the broker holds its key so long.
constexpr int64_t kPendingUs = int64_t{600} * 1'000'000;

bool must_not_be_stored(const http::Response& response) {
  return std::ranges::any_of(response.headers, [](const auto& header) {
    return header.first == "Cache-Control" && header.second == "no-store";
  });
}

core::Error busy(std::string what) {
  core::Error error(core::ErrorCode::busy, std::move(what));
  error.retry_after_ms = 1'000;
  return error;
}

// Each part with its size in front: no two requests have the same bytes.
void add(std::string* to, std::string_view part) {
  to->append(std::to_string(part.size())).append(":").append(part);
}

}  // namespace

std::string Idempotency::caller_of(const core::TenantContext& who) {
  std::string caller(who.actor());
  if (who.caller() != nullptr && who.caller()->principal != nullptr) {
    caller += "@" + std::to_string(who.caller()->principal->version);
  }
  return caller;
}

Sha256 Idempotency::fingerprint(const http::Request& request) {
  std::string head;
  add(&head, request.method);
  for (const auto& segment : request.segments) add(&head, segment);
  head += '?';
  for (const auto& [name, value] : request.query) {
    add(&head, name);
    add(&head, value);
  }
  head += '\n';
  for (const auto& [name, value] : request.headers) {
    std::string lowered = name;
    for (char& c : lowered) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!lowered.starts_with("ce-") && lowered != "content-type" && lowered != "if-match") continue;
    add(&head, lowered);
    add(&head, value);
  }
  head += '\n';
  return sha256({head, request.body});
}

core::Error Idempotency::check(std::string_view key) {
  const bool visible = std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; });
  if (!key.empty() && key.size() <= limits::kIdempotencyKeyMax && visible) return {};
  return {core::ErrorCode::invalid_request, "Idempotency-Key: 1 to 255 visible ASCII characters"};
}

core::Error Idempotency::begin(const Key& key, const Sha256& fingerprint, int64_t now_mono_us,
                               http::Response* kept) {
  kept->status = 0;
  auto found = entries_.find(key);
  if (found != entries_.end() && found->second.ends_mono_us <= now_mono_us) {
    erase(found);
    found = entries_.end();
  }
  if (found == entries_.end()) {
    if (core::Error error = make_room(key, now_mono_us)) return error;
    OfTenant& of = tenants_[key.tenant];
    Entry& entry = entries_[key];
    entry.fingerprint = fingerprint;
    entry.ends_mono_us = now_mono_us + kPendingUs;
    entry.age = of.ages.insert(of.ages.end(), key);
    ++of.pending;
    return {};
  }
  const Entry& entry = found->second;
  if (entry.fingerprint != fingerprint) return core::Error(core::ErrorCode::idempotency_mismatch);
  if (entry.state == State::pending) {
    core::Error error(core::ErrorCode::idempotency_pending);
    error.retry_after_ms = 1'000;
    return error;
  }
  if (entry.state == State::spent) return core::Error(core::ErrorCode::idempotency_spent);
  *kept = entry.response;
  kept->headers.emplace_back("Idempotency-Replayed", "true");
  return {};
}

void Idempotency::finish(const Key& key, const http::Response& response, int64_t now_mono_us) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.state != State::pending) return;
  if (response.status >= 400) return erase(found);  // nothing was done
  Entry& entry = found->second;
  entry.ends_mono_us = now_mono_us + limits::kIdempotencyUs;
  OfTenant& of = tenants_.at(key.tenant);
  --of.pending;
  if (must_not_be_stored(response) || response.body.size() > limits::kIdempotencyAnswerBytes) {
    entry.state = State::spent;
    return;
  }
  entry.state = State::kept;
  entry.response = response;
  of.bytes += response.body.size();
  bytes_ += response.body.size();
  while (of.bytes > limits::kIdempotencyBytesPerTenant && forget_one(&of, nullptr)) {
  }
  while (bytes_ > limits::kIdempotencyBytes) {
    const auto most =
        std::ranges::max_element(tenants_, {}, [](const auto& one) { return one.second.bytes; });
    if (!forget_one(&most->second, nullptr)) return;
  }
}

void Idempotency::erase(Entries::iterator entry) {
  const auto of = tenants_.find(entry->first.tenant);
  const size_t bytes = entry->second.response.body.size();
  bytes_ -= bytes;
  of->second.bytes -= bytes;
  if (entry->second.state == State::pending) --of->second.pending;
  of->second.ages.erase(entry->second.age);
  entries_.erase(entry);
}

bool Idempotency::forget_one(OfTenant* of, const std::string* caller) {
  for (const Key& key : of->ages) {
    if (caller != nullptr && key.caller != *caller) continue;
    const auto entry = entries_.find(key);
    if (entry->second.state == State::pending) continue;
    erase(entry);
    return true;
  }
  return false;
}

// Those whose answer got lost inside the broker.
void Idempotency::forget_overdue(OfTenant* of, int64_t now_mono_us) {
  for (auto at = of->ages.begin(); at != of->ages.end();) {
    const auto entry = entries_.find(*at++);
    if (entry->second.ends_mono_us <= now_mono_us) erase(entry);
  }
}

core::Error Idempotency::make_room(const Key& key, int64_t now_mono_us) {
  OfTenant& of = tenants_[key.tenant];
  size_t count = 0;
  size_t pending = 0;
  const auto look = [&] {
    count = pending = 0;
    for (auto at = entries_.lower_bound({key.tenant, key.caller, ""});
         at != entries_.end() && at->first.tenant == key.tenant && at->first.caller == key.caller;
         ++at) {
      ++count;
      pending += at->second.state == State::pending ? 1 : 0;
    }
    return pending < limits::kIdempotencyKeysPerActor / 2 &&
           of.pending < limits::kIdempotencyKeysPerTenant / 2;
  };
  if (!look()) {
    forget_overdue(&of, now_mono_us);
    if (!look()) return busy("too many requests with keys are under way");
  }
  if (count >= limits::kIdempotencyKeysPerActor) forget_one(&of, &key.caller);
  if (of.ages.size() >= limits::kIdempotencyKeysPerTenant) forget_one(&of, nullptr);
  if (entries_.size() < limits::kIdempotencyKeys) return {};
  const auto most = std::ranges::max_element(
      tenants_, {}, [](const auto& one) { return one.second.ages.size() - one.second.pending; });
  if (forget_one(&most->second, nullptr)) return {};
  return busy("too many requests with keys are under way in all tenants");
}

}  // namespace headrace::admin
