#include "metrics/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "metrics/check.h"

namespace headrace {

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
