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
    make_room(key);
    Entry& entry = entries_[key];
    entry.fingerprint = fingerprint;
    entry.ends_mono_us = now_mono_us + kPendingUs;
    entry.age = ages_.insert(ages_.end(), key);
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
  if (must_not_be_stored(response) || response.body.size() > limits::kIdempotencyAnswerBytes) {
    entry.state = State::spent;
    return;
  }
  entry.state = State::kept;
  entry.response = response;
  bytes_ += response.body.size();
  while (bytes_ > limits::kIdempotencyBytes) erase(entries_.find(ages_.front()));
}

void Idempotency::erase(Entries::iterator entry) {
  bytes_ -= entry->second.response.body.size();
  ages_.erase(entry->second.age);
  entries_.erase(entry);
}

void Idempotency::make_room(const Key& key) {
  const auto of_caller = [&](const Key& other) {
    return other.tenant == key.tenant && other.caller == key.caller;
  };
  const auto first = entries_.lower_bound({key.tenant, key.caller, ""});
  size_t count = 0;
  for (auto at = first; at != entries_.end() && of_caller(at->first); ++at) ++count;
  if (count >= limits::kIdempotencyKeysPerActor) {
    erase(entries_.find(*std::ranges::find_if(ages_, of_caller)));
  }
  while (entries_.size() >= limits::kIdempotencyKeys) erase(entries_.find(ages_.front()));
}

}  // namespace headrace::admin
