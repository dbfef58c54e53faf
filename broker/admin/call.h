// One HTTP request on its way through its route: who asks, the values in its path, the questions to
// the shards and the one answer.
//
// Lives on: the HTTP thread; kept alive by whatever still has to answer it.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/admin/admin.h"
#include "broker/core/api.h"
#include "net/http/server.h"

namespace headrace::admin {

// Name and value; names are the route table's.
using PathParameters = std::vector<std::pair<std::string_view, std::string>>;

class Call;
using CallPtr = std::shared_ptr<Call>;

class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(Admin& admin, core::TenantContext tenant, core::Permission permission,
       core::CatalogPtr catalog, int64_t now_us, http::Request request, PathParameters parameters,
       http::Respond respond)
      : admin_(admin),
        tenant_(std::move(tenant)),
        permission_(permission),
        catalog_(std::move(catalog)),
        now_us_(now_us),
        request_(std::move(request)),
        parameters_(std::move(parameters)),
        respond_(std::move(respond)) {}

  Admin& admin() { return admin_; }
  const core::TenantContext& tenant() const { return tenant_; }
  // What the route needs, on this topic.
  core::Error may(std::string_view topic) const { return tenant_.require(permission_, topic); }
  // As it was when the caller was let in.
  const core::CatalogPtr& catalog() const { return catalog_; }
  int64_t now_us() const { return now_us_; }  // wall clock; likewise
  const http::Request& request() const { return request_; }
  const std::string& parameter(std::string_view name) const;

  // ---- the answer; the first one counts
  void respond(http::Response response) { respond_(std::move(response)); }
  // `object` is a JSON object, with or without an end of line.
  void reply(int status, std::string object, http::Headers headers = {});
  // What If-Match asks for; precondition_failed if `version` is not that of the thing.
  core::Error if_match(uint64_t version) const;
  void fail(const core::Error& error);

  // What the core calls `first` is called `second` in this route's request; the first prefix that
  // fits counts. For errors that come back from questions, and for refuse().
  using FieldName = std::pair<std::string_view, std::string_view>;
  void name_fields(std::initializer_list<FieldName> names) { field_names_ = names; }
  void refuse(core::Error error);

  // ---- questions; what follows runs on the HTTP thread
  template <class Question>
  void ask(std::unique_ptr<Question> question, std::function<void(Question&)> go_on);
  // The topic or group of this name that is in service; answers the error otherwise.
  using WithTopic = std::function<void(const core::TopicPtr& topic)>;
  void with_topic(const std::string& name, WithTopic go_on);
  using WithGroup = std::function<void(const core::GroupPtr& group, const core::TopicPtr& topic)>;
  void with_group(WithGroup go_on);  // of the path's {group}
  void with_acked_group(WithGroup go_on);
  void with_acked_group(const std::string& name, WithGroup go_on);

  // A question to the shard of a group.
  template <class Question>
  std::unique_ptr<Question> about(const core::GroupPtr& group, const core::TopicPtr& topic) const {
    auto question = std::make_unique<Question>(tenant_);
    question->group = group;
    question->topic = topic;
    question->shard = topic->shard;
    return question;
  }

 private:
  void find_group(const std::string& name, std::optional<core::GroupRecord::Kind> kind,
                  WithGroup go_on);

  Admin& admin_;
  const core::TenantContext tenant_;
  const core::Permission permission_;
  const core::CatalogPtr catalog_;
  const int64_t now_us_;
  const http::Request request_;
  const PathParameters parameters_;
  const http::Respond respond_;
  std::vector<FieldName> field_names_;
};

// The header that names a version of a thing's settings.
std::pair<std::string, std::string> etag(uint64_t version);

// problem+json from the error table.
http::Response problem(const core::Error& error);

template <class Question>
void Call::ask(std::unique_ptr<Question> question, std::function<void(Question&)> go_on) {
  std::vector<core::RequestPtr> questions;
  questions.push_back(std::move(question));
  admin_.ask(std::move(questions),
             [self = shared_from_this(), go_on](std::vector<core::RequestPtr> answers) {
               if (answers[0]->error) return self->refuse(answers[0]->error);
               go_on(core::as<Question>(*answers[0]));
             });
}

}  // namespace headrace::admin
