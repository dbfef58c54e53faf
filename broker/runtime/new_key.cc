#include "broker/runtime/new_key.h"

#include <openssl/rand.h>

#include <algorithm>

#include "broker/limits.h"
#include "metrics/base64.h"
#include "metrics/check.h"

namespace headrace::runtime {
namespace {

std::string random_bytes(size_t size) {
  std::string bytes(size, '\0');
  auto* at = reinterpret_cast<unsigned char*>(bytes.data());
  HR_CHECK(RAND_bytes(at, static_cast<int>(size)) == 1);
  return bytes;
}

// RFC 4648, section 5: safe in headers and files. Without the padding.
std::string base64url(std::string_view bytes) {
  std::string text = encode_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

}  // namespace

NewKey make_key() {
  NewKey made;
  made.key.id = encode_base16(random_bytes(6));
  made.text = "hr_" + made.key.id + "_" + base64url(random_bytes(32));
  made.key.hash = sha256({made.text});
  return made;
}

NewSalts make_salts() {
  return {random_bytes(limits::kSaltBytes), random_bytes(sizeof(Sha256))};
}

}  // namespace headrace::runtime
