#include "metrics/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "metrics/base64.h"
#include "metrics/check.h"

namespace headrace {

Sha256Sum::Sha256Sum() : context_(EVP_MD_CTX_new()) {
  auto* context = static_cast<EVP_MD_CTX*>(context_);
  HR_CHECK(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
}

Sha256Sum::~Sha256Sum() {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_));
}

void Sha256Sum::add(std::string_view bytes) {
  auto* context = static_cast<EVP_MD_CTX*>(context_);
  HR_CHECK(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

Sha256 Sha256Sum::finish() {
  Sha256 digest{};
  unsigned size = 0;
  auto* out = reinterpret_cast<unsigned char*>(digest.data());
  auto* context = static_cast<EVP_MD_CTX*>(context_);
  HR_CHECK(EVP_DigestFinal_ex(context, out, &size) == 1 && size == digest.size());
  return digest;
}

std::string to_hex(const Sha256& digest) {
  return encode_base16({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Sha256 sha256(std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  HR_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  for (const std::string_view part : parts) {
    HR_CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  Sha256 digest{};
  unsigned size = 0;
  auto* out = reinterpret_cast<unsigned char*>(digest.data());
  HR_CHECK(EVP_DigestFinal_ex(context.get(), out, &size) == 1 && size == digest.size());
  return digest;
}

}  // namespace headrace
