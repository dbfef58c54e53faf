#include "broker/admin/call.h"

#include <algorithm>

namespace headrace::admin {

http::Response problem(const core::Error& error) {
  const auto& row = core::info(error.code);
  http::Response response = http::problem(row.http_status, row.name, error.message());
  if (row.retryable) {
    const uint32_t seconds = (error.retry_after_ms + 999) / 1'000;
    response.headers.emplace_back("Retry-After", std::to_string(std::max<uint32_t>(seconds, 1)));
  }
  return response;
}

const std::string& Call::parameter(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name, &PathParameters::value_type::first);
  HR_CHECK(found != parameters_.end());
  return found->second;
}

void Call::reply(int status, std::string object, http::Headers headers) {
  if (!object.ends_with('\n')) object += '\n';
  respond_({status, "application/json", std::move(headers), std::move(object)});
}

std::pair<std::string, std::string> etag(uint64_t version) {
  return {"ETag", "\"" + std::to_string(version) + "\""};
}

core::Error Call::if_match(uint64_t version) const {
  const auto given = request_.header("If-Match");
  if (!given || *given == "*") return {};
  const std::string tag = etag(version).second;
  std::string_view rest = *given;
  while (!rest.empty()) {  // a list, as RFC 9110 has it
    std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == tag) return {};
  }
  return {core::ErrorCode::precondition_failed, "it is " + tag};
}

void Call::fail(const core::Error& error) {
  respond_(problem(error));
}

void Call::refuse(core::Error error) {
  if (error.code == core::ErrorCode::invalid_request) {
    for (const auto& [core_name, name] : field_names_) {
      if (!error.detail.starts_with(core_name)) continue;
      error.detail.replace(0, core_name.size(), name);
      break;
    }
  }
  fail(error);
}

void Call::with_topic(const std::string& name, WithTopic go_on) {
  if (const core::Error error = may(name)) return fail(error);
  const auto topic = catalog_->topic(tenant_.tenant(), name);
  if (topic == nullptr) return fail(core::no_such_topic(name));
  if (topic->state != core::Topic::State::active) {
    return fail({core::ErrorCode::topic_deleting, name});
  }
  go_on(topic);
}

void Call::with_group(WithGroup go_on) {
  find_group(parameter("group"), std::nullopt, std::move(go_on));
}

void Call::with_acked_group(WithGroup go_on) {
  with_acked_group(parameter("group"), std::move(go_on));
}

void Call::with_acked_group(const std::string& name, WithGroup go_on) {
  find_group(name, core::GroupRecord::Kind::acked, std::move(go_on));
}

void Call::find_group(const std::string& name, std::optional<core::GroupRecord::Kind> kind,
                      WithGroup go_on) {
  const auto group = catalog_->group(tenant_.tenant(), name);
  if (group == nullptr) {
    core::Error error = core::check_name("group", name);
    if (!error) error = core::Error(core::ErrorCode::unknown_group, "'" + name + "'");
    return fail(error);
  }
  const auto topic = catalog_->topic(group->tenant, group->topic);
  if (topic == nullptr) return fail({core::ErrorCode::unknown_group, "its topic is gone"});
  if (const core::Error error = may(topic->name)) return fail(error);
  if (kind && *kind != group->kind) {
    const bool acked = group->kind == core::GroupRecord::Kind::acked;
    return fail(
        {core::ErrorCode::group_kind, "'" + name + "' is " + (acked ? "acked" : "positional")});
  }
  go_on(group, topic);
}

}  // namespace headrace::admin
