#include "client/login.h"

namespace headrace::client {

using net::native::MessageType;

Login::Login(const ClientOptions& options, sasl::SaltedPassword* known) {
  if (!options.user.empty()) exchange_.emplace(options.user, options.password, known);
}

Result<Login::Next> Login::next(MessageType type, std::span<const std::byte> message) {
  Next next;
  proto::AuthenticateOk said;
  const auto parse = [&](auto* to) {
    return to->ParseFromArray(message.data(), static_cast<int>(message.size()));
  };
  const bool as_expected = started_ ? type == MessageType::authenticate && parse(&said)
                                    : type == MessageType::hello && parse(&next.hello);
  if (!as_expected) return bad_reply("the broker answered hello with something else");
  if (!exchange_) {
    if (next.hello.authenticate()) return bad_reply("the broker asks for what hello did not offer");
    return next;
  }
  // One that lets us in without a proof has given none either.
  if (!started_ && !next.hello.authenticate()) {
    return bad_reply("the broker does not take passwords");
  }
  std::string reply;
  const sasl::Step step = exchange_->step(started_ ? std::string_view(said.data()) : "", &reply);
  started_ = true;
  if (step == sasl::Step::refused) {
    return bad_reply("this is not the broker that knows the password: it proved nothing");
  }
  if (step == sasl::Step::malformed) return bad_argument(exchange_->text());
  if (step == sasl::Step::more) {
    next.message.emplace();
    next.message->set_data(reply);
    return next;
  }
  if (!said.has_hello()) return bad_reply("the broker did not say that it lets us in");
  next.hello = said.hello();
  return next;
}

}  // namespace headrace::client
