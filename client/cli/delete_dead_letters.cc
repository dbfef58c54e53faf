// dlq delete / purge.
#include <algorithm>

#include "client/admin.h"
#include "client/cli/dead_letters.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/json_line.h"

namespace headrace::cli {

namespace {

constexpr int kIdsPerCall = 100;

void say(const ConnectArguments& connect, const std::string& group,
         const proto::DeleteDeadLettersOk& done) {
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    line.text("group", group).number("matched", done.matched()).number("deleted", done.deleted());
    if (done.token().empty()) {
      line.null("token");
    } else {
      line.text("token", done.token());
    }
    line.end();
  } else if (!done.token().empty()) {
    out = std::to_string(done.matched()) +
          " dead letters match; within 5 minutes the same with --token " + done.token() +
          " deletes them\n";
  } else {
    out = std::to_string(done.deleted()) + " dead letters deleted\n";
  }
  print(out);
}

}  // namespace

int delete_dead_letters(const ConnectArguments& connect, const DeadLetterArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  proto::DeleteDeadLettersOk total;
  for (size_t first = 0; first < given.ids.size(); first += kIdsPerCall) {
    proto::DeleteDeadLetters request;
    request.set_group(given.group);
    const size_t end = std::min(given.ids.size(), first + kIdsPerCall);
    for (size_t i = first; i < end; ++i) request.add_ids(given.ids[i]);
    const auto reply = client::delete_dead_letters(*client.value, request);
    if (!reply.ok()) return report(reply.error);
    total.set_matched(total.matched() + reply->matched());
    total.set_deleted(total.deleted() + reply->deleted());
  }
  say(connect, given.group, total);
  return kDone;
}

int purge_dead_letters(const ConnectArguments& connect, const DeadLetterArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  proto::DeleteDeadLetters request;
  request.set_group(given.group);
  request.set_all(given.all);
  for (auto& condition : conditions_of(given)) request.add_conditions(std::move(condition));
  request.set_token(given.token);
  auto reply = client::delete_dead_letters(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  if (given.yes && !reply->token().empty()) {
    request.set_token(reply->token());
    reply = client::delete_dead_letters(*client.value, request);
    if (!reply.ok()) return report(reply.error);
  }
  say(connect, given.group, reply.value);
  return kDone;
}

}  // namespace headrace::cli
