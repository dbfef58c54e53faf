// list_dead_letters, get_dead_letter.
#include "broker/limits.h"
#include "broker/native/handlers.h"
#include "broker/native/handlers/convert.h"
#include "broker/native/handlers/convert_groups.h"
#include "broker/native/handlers/find_group.h"

namespace headrace::native {
namespace {

std::unique_ptr<core::ListDeadLetters> make_request(Session& session, const FoundGroup& found) {
  auto request = std::make_unique<core::ListDeadLetters>(session.tenant());
  request->group = found.group;
  request->topic = found.topic;
  request->shard = found.topic->shard;
  return request;
}

std::vector<SharedBytes> payload_of(const std::string& values) {
  if (values.empty()) return {};
  return {SharedBytes::copy_of(values)};
}

// As many letters as fit one frame; the cursor goes on behind them.
void answer(Session& to, const net::native::FrameHeader& header,
            const core::ListDeadLetters& listed) {
  proto::ListDeadLettersOk ok;
  ok.set_total(listed.total);
  std::string values;
  size_t message_bytes = 0;
  bool full = false;
  uint64_t last = 0;
  for (const auto& letter : listed.letters) {
    proto::DeadLetter row;
    std::string value;
    to_proto(*listed.group, *listed.topic, letter, &row, &value);
    const size_t size = row.ByteSizeLong();
    full = message_bytes + size > net::native::kMaxMessageSize / 2 ||
           values.size() + value.size() > limits::kPageBytes;
    full = full && ok.letters_size() > 0;
    if (full) break;
    message_bytes += size;
    values += value;
    last = letter.sequence;
    *ok.add_letters() = std::move(row);
  }
  if (full || listed.more) ok.set_cursor(std::to_string(full ? last : listed.last));
  to.reply(header, ok, payload_of(values));
}

}  // namespace

void handle_list_dead_letters(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::ListDeadLetters message;
  if (!session.parse(frame, &message)) return;
  const auto found = find_group(session, header, message.group(), core::GroupRecord::Kind::acked);
  if (!found) return;
  auto request = make_request(session, *found);
  if (core::Error error = from_proto_page_size(message.page_size(), &request->page_size)) {
    return session.fail(header, error);
  }
  request->conditions.assign(message.conditions().begin(), message.conditions().end());
  if (!message.cursor().empty() && !parse_sequence(message.cursor(), &request->after)) {
    return session.fail(
        header, {core::ErrorCode::invalid_request, "cursor: none that this broker has given out"});
  }
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    if (reply->error) return to.fail(header, reply->error);
    answer(to, header, core::as<core::ListDeadLetters>(*reply));
  });
}

void handle_get_dead_letter(Session& session, net::native::Frame&& frame) {
  const auto header = frame.header;
  proto::GetDeadLetter message;
  if (!session.parse(frame, &message)) return;
  std::string group;
  uint64_t sequence = 0;
  if (!parse_dead_letter_id(message.id(), &group, &sequence)) {
    return session.fail(header, {core::ErrorCode::invalid_request,
                                 "id: '" + message.id() + "' is not GROUP@NUMBER"});
  }
  const auto found = find_group(session, header, group, core::GroupRecord::Kind::acked);
  if (!found) return;
  auto request = make_request(session, *found);
  request->only = sequence;
  request->page_size = 1;
  session.ask(std::move(request), 0, [header](Session& to, core::RequestPtr reply) {
    auto& listed = core::as<core::ListDeadLetters>(*reply);
    if (listed.error) return to.fail(header, listed.error);
    if (listed.letters.empty()) {
      return to.fail(header, {core::ErrorCode::unknown_dead_letter,
                              dead_letter_id(listed.group->name, listed.only)});
    }
    proto::GetDeadLetterOk ok;
    std::string value;
    to_proto(*listed.group, *listed.topic, listed.letters.front(), ok.mutable_letter(), &value);
    to.reply(header, ok, payload_of(value));
  });
}

}  // namespace headrace::native
