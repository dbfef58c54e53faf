// What a broker says about the files of its certificate, and what it keeps when new ones are bad.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "net/tls/context.h"
#include "tests/support/certificates.h"

namespace headrace::test {
namespace {

class TlsContextTest : public testing::Test {
 protected:
  std::string refusal(const net::TlsServerFiles& files) {
    net::TlsServerContext context(files);
    std::string error;
    EXPECT_FALSE(context.load(&error));
    EXPECT_EQ(context.current(), nullptr);
    return error;
  }
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = authority.directory() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  CertificateAuthority authority;
  PemPair own = authority.sign({});
};

TEST_F(TlsContextTest, NamesTheSettingAndTheFile) {
  const std::string missing = authority.directory() + "/missing.pem";
  EXPECT_EQ(refusal({missing, own.key, "", true}),
            "tls.certificate: " + missing + ": No such file or directory");
  EXPECT_EQ(refusal({own.certificate, missing, "", true}),
            "tls.key: " + missing + ": No such file or directory");
  EXPECT_EQ(refusal({own.certificate, own.key, missing, true}),
            "tls.client_ca: " + missing + ": No such file or directory");
  EXPECT_EQ(refusal({authority.directory(), own.key, "", true}),
            "tls.certificate: " + authority.directory() + ": is a directory");
}

TEST_F(TlsContextTest, RefusesWhatIsNoPem) {
  const std::string text = file("text.pem", "nothing of the kind\n");
  EXPECT_NE(refusal({text, own.key, "", true})
                .find("tls.certificate: " + text + ": is not a certificate in PEM"),
            std::string::npos);
  EXPECT_NE(refusal({own.certificate, text, "", true})
                .find("tls.key: " + text + ": is not a private key in PEM without a passphrase"),
            std::string::npos);
  EXPECT_NE(refusal({own.certificate, own.key, text, true})
                .find("tls.client_ca: " + text + ": is not a list of certificates in PEM"),
            std::string::npos);
}

TEST_F(TlsContextTest, RefusesTheKeyOfAnotherCertificate) {
  CertificateWish wish;
  wish.name = "other";
  const PemPair other = authority.sign(wish);
  EXPECT_EQ(refusal({own.certificate, other.key, "", true}),
            "tls.key: " + other.key + ": does not belong to the certificate in " + own.certificate);
}

TEST_F(TlsContextTest, RefusesACertificateOfAnotherTime) {
  CertificateWish wish;
  wish.name = "expired";
  wish.begins_s = -7200;
  wish.ends_s = -3600;
  const PemPair expired = authority.sign(wish);
  EXPECT_NE(refusal({expired.certificate, expired.key, "", true})
                .find(expired.certificate + ": the certificate expired at "),
            std::string::npos);
  wish.name = "future";
  wish.begins_s = 3600;
  wish.ends_s = 7200;
  const PemPair future = authority.sign(wish);
  EXPECT_NE(refusal({future.certificate, future.key, "", true})
                .find(future.certificate + ": the certificate is not valid before "),
            std::string::npos);
}

TEST_F(TlsContextTest, ABadReloadKeepsWhatWasLoaded) {
  net::TlsServerContext context({own.certificate, own.key, authority.certificate(), true});
  std::string error;
  ASSERT_TRUE(context.load(&error)) << error;
  const net::TlsContext first = context.current();
  file("one.pem", "half written");
  EXPECT_FALSE(context.load(&error));
  EXPECT_NE(error.find(own.certificate), std::string::npos) << error;
  EXPECT_EQ(context.current(), first);
  authority.sign({});  // the same files, new
  EXPECT_TRUE(context.load(&error)) << error;
  EXPECT_NE(context.current(), first);
}

TEST_F(TlsContextTest, AClientNamesItsFiles) {
  std::string error;
  const std::string missing = authority.directory() + "/missing.pem";
  EXPECT_EQ(net::make_tls_client_context({missing, "", ""}, &error), nullptr);
  EXPECT_EQ(error, "CA file: " + missing + ": No such file or directory");
  EXPECT_EQ(net::make_tls_client_context({"", own.certificate, ""}, &error), nullptr);
  EXPECT_EQ(error.substr(0, 4), "key:") << error;
  EXPECT_NE(
      net::make_tls_client_context({authority.certificate(), own.certificate, own.key}, &error),
      nullptr)
      << error;
}

}  // namespace
}  // namespace headrace::test
