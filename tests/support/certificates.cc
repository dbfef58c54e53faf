#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>

#include "metrics/check.h"

namespace headrace::test {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;
using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

File open_file(const std::string& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode), std::fclose);
  HR_CHECK(file != nullptr);
  return file;
}

Key new_key() {
  Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  HR_CHECK(key != nullptr);
  return key;
}

Certificate unsigned_certificate(EVP_PKEY* key, const CertificateWish& wish) {
  Certificate made(X509_new(), X509_free);
  static long serial = 1;
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), wish.begins_s);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wish.ends_s);
  X509_NAME* subject = X509_get_subject_name(made.get());
  const auto add = [&](const char* field, const std::string& text) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const auto size = static_cast<int>(text.size());
    HR_CHECK(X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, bytes, size, -1, 0) == 1);
  };
  add("O", "Headrace");
  add("CN", wish.common_name);
  HR_CHECK(X509_set_pubkey(made.get(), key) == 1);
  return made;
}

void extend(X509* certificate, int extension, const std::string& value) {
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, extension, value.c_str());
  HR_CHECK(made != nullptr && X509_add_ext(certificate, made, -1) == 1);
  X509_EXTENSION_free(made);
}

void sign_and_write(X509* certificate, EVP_PKEY* signer, EVP_PKEY* key, const PemPair& to) {
  HR_CHECK(X509_sign(certificate, signer, EVP_sha256()) > 0);
  HR_CHECK(PEM_write_X509(open_file(to.certificate, "w").get(), certificate) == 1);
  HR_CHECK(PEM_write_PrivateKey(open_file(to.key, "w").get(), key, nullptr, nullptr, 0, nullptr,
                                nullptr) == 1);
}

}  // namespace

CertificateAuthority::CertificateAuthority() {
  own_ = {directory() + "/ca.pem", directory() + "/ca.key"};
  CertificateWish wish;
  wish.common_name = "authority";
  const Key key = new_key();
  const Certificate made = unsigned_certificate(key.get(), wish);
  X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
  extend(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  sign_and_write(made.get(), key.get(), key.get(), own_);
}

PemPair CertificateAuthority::sign(const CertificateWish& wish) const {
  const Certificate issuer(
      PEM_read_X509(open_file(own_.certificate, "r").get(), nullptr, nullptr, nullptr), X509_free);
  const Key signer(PEM_read_PrivateKey(open_file(own_.key, "r").get(), nullptr, nullptr, nullptr),
                   EVP_PKEY_free);
  const Key key = new_key();
  const Certificate made = unsigned_certificate(key.get(), wish);
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
  if (!wish.alternatives.empty()) {
    extend(made.get(), NID_subject_alt_name, wish.alternatives);
  }
  const PemPair to = {directory() + "/" + wish.name + ".pem",
                      directory() + "/" + wish.name + ".key"};
  sign_and_write(made.get(), signer.get(), key.get(), to);
  return to;
}

}  // namespace headrace::test
