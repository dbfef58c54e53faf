// SCRAM from hostile bytes, on either side: nobody is ever let in who does not know the password,
// and no client believes a broker that does not.
//
// Input: one byte which side is played by the bytes, then messages: two bytes size, so many bytes.
// A '$' in a message stands for the nonce that the other side has told, which nobody could guess.
#include <algorithm>
#include <cstdint>
#include <string>

#include "metrics/check.h"
#include "sasl/scram.h"

namespace headrace::sasl {
namespace {

constexpr size_t kMessages = 4;

std::string nonce_in(std::string_view message) {
  const size_t at = message.find("r=");
  if (at == std::string_view::npos) return {};
  return std::string(message.substr(at + 2, message.find(',', at) - at - 2));
}

std::string with_nonce(std::string_view message, const std::string& nonce) {
  std::string text;
  for (const char c : message) {
    if (c == '$') {
      text += nonce;
    } else {
      text += c;
    }
  }
  return text;
}

// Deriving is bounded by the client, at more than a fuzzer has time for.
bool asks_for_much(const std::string& message) {
  const size_t at = message.rfind("i=");
  if (at == std::string::npos) return false;
  return std::count_if(message.begin() + static_cast<std::ptrdiff_t>(at), message.end(),
                       [](char c) { return c >= '0' && c <= '9'; }) > 4;
}

class Messages {
 public:
  Messages(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool next(std::string* message) {
    if (size_ < 2 || taken_++ == kMessages) return false;
    const size_t wanted = size_t{data_[0]} << 8 | data_[1];
    const size_t length = std::min(wanted, size_ - 2);
    message->assign(reinterpret_cast<const char*>(data_) + 2, length);
    data_ += 2 + length;
    size_ -= 2 + length;
    return true;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t taken_ = 0;
};

ScramSecrets secrets() {
  static const ScramSecrets kMade = [] {
    ScramSecrets made;
    std::string error;
    HR_CHECK(derive("correct horse", "sixteen bytes...", kIterationsMin, &made, &error));
    return made;
  }();
  return kMade;
}

void hostile_client(Messages messages) {
  ScramServer server([](const std::string&) { return secrets(); });
  std::string message;
  std::string reply;
  Step step = Step::more;
  while (messages.next(&message)) {
    const bool over = step != Step::more;
    step = server.step(with_nonce(message, nonce_in(reply)), &reply);
    HR_CHECK(step != Step::done);
    HR_CHECK(!over || step == Step::malformed);
  }
}

void hostile_broker(Messages messages) {
  SaltedPassword known;
  ScramClient client("ada", "correct horse", &known);
  std::string message;
  std::string reply;
  HR_CHECK(client.step("", &reply) == Step::more);
  while (messages.next(&message)) {
    message = with_nonce(message, nonce_in(reply));
    if (asks_for_much(message)) return;
    const Step step = client.step(message, &reply);
    HR_CHECK(step != Step::done);
    if (step != Step::more) return;
  }
}

}  // namespace
}  // namespace headrace::sasl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::sasl;
  if (size < 1) return 0;
  const Messages messages(data + 1, size - 1);
  if ((data[0] & 1) == 0) {
    hostile_client(messages);
  } else {
    hostile_broker(messages);
  }
  return 0;
}
