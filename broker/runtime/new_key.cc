#include "broker/runtime/new_key.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>

#include "metrics/check.h"

namespace headrace::runtime {
namespace {

template <size_t N>
std::array<unsigned char, N> random_bytes() {
  std::array<unsigned char, N> bytes;
  HR_CHECK(RAND_bytes(bytes.data(), static_cast<int>(N)) == 1);
  return bytes;
}

std::string hexadecimal(const std::array<unsigned char, 6>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// RFC 4648, section 5, without the padding.
std::string base64url(const std::array<unsigned char, 32>& bytes) {
  std::string text(45, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                  static_cast<int>(bytes.size()));
  text.resize(43);
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

}  // namespace

NewKey make_key() {
  NewKey made;
  made.key.id = hexadecimal(random_bytes<6>());
  made.text = "hr_" + made.key.id + "_" + base64url(random_bytes<32>());
  made.key.hash = sha256({made.text});
  return made;
}

}  // namespace headrace::runtime
