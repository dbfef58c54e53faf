// Publishes on their way to the log whose events have a schema: validated by a worker first. What
// a connection publishes behind such a one waits for it, so that its order is kept; nobody else
// waits, and what has no schema is looked up once and goes on.
//
// Lives on: the shard's reactor, inside its objects. A job owns the publishes that it validates.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "broker/core/ctx.h"
#include "json/redactor.h"

namespace headrace::core {

class PublishValidation final : public std::enable_shared_from_this<PublishValidation> {
 public:
  // `go_on` gets each publish that may be appended, in the order of its connection.
  // `redactor`: of what is stored of a violation; may be null.
  PublishValidation(Ctx* ctx, std::shared_ptr<const Redactor> redactor,
                    std::function<void(RequestPtr)> go_on)
      : ctx_(ctx), redactor_(std::move(redactor)), go_on_(std::move(go_on)) {}

  // The publish, if nothing has to be done first; else nullptr: it was taken, or refused (busy).
  RequestPtr admit(RequestPtr publish);
  // What became of events of types with schemas, since the shard was loaded.
  void stats(TenantId tenant, std::vector<ShardStats::ValidationRow>* rows) const;
  void drop(const Error& error);  // the shard drops its objects: answers what waits

 private:
  struct Event;      // what a schema is asked about
  struct Violation;  // what it says
  struct Job;
  using Line = std::pair<const Requester*, uint64_t>;  // a connection

  bool concerns(const Request& publish) const;
  void start(const Line& line, std::vector<RequestPtr> publishes);
  void done(Job& job);
  void count(const Job& job);
  void next(const Line& line);
  void finish(Job& job, size_t number);
  void refuse(Request* publish, const Violation& violation);
  void keep_back(Request* publish, const Violation& violation);
  void tell(const Request& publish, const Violation& violation);
  static std::vector<schema::Issue> issues_of(const Event& event, const SchemaType& type,
                                              int64_t* steps);

  Ctx* const ctx_;
  const std::shared_ptr<const Redactor> redactor_;
  const std::function<void(RequestPtr)> go_on_;
  struct Counts {
    uint64_t validated = 0;
    uint64_t violations = 0;
  };
  std::map<std::pair<TenantId, std::string>, Counts> counts_;  // of types that have a schema
  std::map<Line, std::deque<RequestPtr>> lines_;  // with a job under way; what waits behind it
  uint64_t foreign_ = 0;                          // callers without a connection: a line each
  bool dropped_ = false;
  int64_t next_tell_mono_us_ = 0;
  uint32_t told_ = 0;  // since then
  uint64_t untold_ = 0;
};

}  // namespace headrace::core
