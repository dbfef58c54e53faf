// delete_dead_letters.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert_groups.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {
namespace {

core::Error read_ids(const proto::DeleteDeadLetters& message, std::vector<uint64_t>* sequences) {
  auto invalid = [](std::string what) {
    return core::Error(core::ErrorCode::invalid_request, std::move(what));
  };
  if (static_cast<size_t>(message.ids_size()) > limits::kLettersPerDelete) {
    return invalid("ids: at most " + std::to_string(limits::kLettersPerDelete));
  }
  for (const std::string& id : message.ids()) {
    std::string group;
    uint64_t sequence = 0;
    if (!parse_dead_letter_id(id, &group, &sequence)) {
      return invalid("ids: '" + id + "' is not GROUP@NUMBER");
    }
    if (group != message.group()) {
      return invalid("ids: '" + id + "' is not of the group '" + message.group() + "'");
    }
    sequences->push_back(sequence);
  }
  return {};
}

}  // namespace

void handle_delete_dead_letters(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::DeleteDeadLetters message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  auto request = std::make_unique<core::DeleteDeadLetters>(session.tenant());
  if (const core::Error error = read_ids(message, &request->only)) {
    return session.fail(header, error);
  }
  request->group = found->group;
  request->topic = found->topic;
  request->shard = found->topic->shard;
  request->conditions.assign(message.conditions().begin(), message.conditions().end());
  request->all = message.all();
  request->token = message.token();
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    const auto& done = core::as<core::DeleteDeadLetters>(*reply);
    proto::DeleteDeadLettersOk ok;
    ok.set_matched(done.matched);
    ok.set_deleted(done.deleted);
    if (done.deleted == 0) ok.set_token(done.token);
    to.reply(header, ok);
  });
}

}  // namespace headrace::native
