// Certificates for tests: a CA with a fresh key, and what it signs, as PEM files in a temporary
// directory of their own. P-256, made in a millisecond.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/rocks_harness.h"

namespace headrace::test {

struct PemPair {
  std::string certificate;  // paths
  std::string key;
};

struct CertificateWish {
  std::string name = "one";                   // of the files
  std::string common_name = "one";            // subject: CN=…,O=Headrace
  std::string alternatives = "IP:127.0.0.1";  // subjectAltName; empty: none
  int64_t begins_s = -3600;                   // from now
  int64_t ends_s = 24 * 3600;
};

class CertificateAuthority {
 public:
  CertificateAuthority();

  const std::string& directory() const { return directory_.path(); }
  const std::string& certificate() const { return own_.certificate; }
  PemPair sign(const CertificateWish& wish) const;

 private:
  TemporaryDirectory directory_;
  PemPair own_;
};

}  // namespace headrace::test
