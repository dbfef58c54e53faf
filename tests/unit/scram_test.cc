// Passwords by SCRAM-SHA-256: both sides of the exchange, and what neither takes.
#include "sasl/scram.h"

#include <gtest/gtest.h>

#include "metrics/base64.h"

namespace headrace::sasl {
namespace {

constexpr std::string_view kSalt = "sixteen bytes...";

ScramSecrets secrets_of(std::string_view password, uint32_t iterations = kIterationsMin) {
  ScramSecrets secrets;
  std::string error;
  EXPECT_TRUE(derive(password, kSalt, iterations, &secrets, &error)) << error;
  return secrets;
}

struct Sides {
  Sides(std::string_view kept, const std::string& given, const std::string& user = "ada")
      : server([this, kept](const std::string& name) {
          asked = name;
          return secrets_of(kept);
        }),
        client(user, given, &known) {}

  // Until one of them has enough; what the server says last.
  Step run() {
    std::string message;
    std::string reply;
    EXPECT_EQ(client.step("", &message), Step::more);
    EXPECT_EQ(server.step(message, &reply), Step::more) << server.text();
    const Step answered = client.step(reply, &message);
    if (answered != Step::more) return answered;
    const Step proven = server.step(message, &reply);
    if (proven != Step::done) return proven;
    return client.step(reply, &message);
  }

  std::string asked;
  SaltedPassword known;
  ScramServer server;
  ScramClient client;
};

TEST(Scram, TheRightPasswordIsProvenToBothSides) {
  Sides sides("correct horse", "correct horse");
  EXPECT_EQ(sides.run(), Step::done);
  EXPECT_EQ(sides.asked, "ada");
  EXPECT_EQ(sides.known.iterations, kIterationsMin);
  // RFC 5802 has names escaped.
  Sides odd("correct horse", "correct horse", "a,d=a");
  EXPECT_EQ(odd.run(), Step::done);
  EXPECT_EQ(odd.asked, "a,d=a");
  // RFC 4013: what looks the same is the same.
  EXPECT_EQ(Sides("pa\xc2\xad"
                  "ssword-\xe2\x85\xa8",
                  "password-IX")
                .run(),
            Step::done);
}

TEST(Scram, AnotherPasswordIsRefused) {
  EXPECT_EQ(Sides("correct horse", "correct horsE").run(), Step::refused);
  EXPECT_EQ(Sides("correct horse", "correct horse ").run(), Step::refused);
}

// RFC 7677, section 3: user `user`, password `pencil`. The password is shorter than ours may be, so
// its longer cousin is compared with what Python's hashlib makes of it.
TEST(Scram, SecretsAreWhatTheRfcSays) {
  const ScramSecrets secrets = secrets_of("pencil pencil");
  const auto text = [](const Sha256& hash) {
    return encode_base16({reinterpret_cast<const char*>(hash.data()), hash.size()});
  };
  EXPECT_EQ(text(secrets.stored_key),
            "710edfccc244167b638fffec7afa7bff0c6086b127f59d567d2321863dd9f7be");
  EXPECT_EQ(text(secrets.server_key),
            "4a4cae9aaa09d2d35f08720f6663e51e5934b490aab28a840278b637ce726301");
}

TEST(Scram, PasswordsHaveBounds) {
  ScramSecrets secrets;
  std::string error;
  EXPECT_FALSE(derive("1234567", kSalt, kIterationsMin, &secrets, &error));
  EXPECT_FALSE(derive(std::string(257, 'x'), kSalt, kIterationsMin, &secrets, &error));
  EXPECT_FALSE(
      derive("with\x01"
             "control",
             kSalt, kIterationsMin, &secrets, &error));
  EXPECT_FALSE(derive("not utf-8 \xff\xfe", kSalt, kIterationsMin, &secrets, &error));
  EXPECT_FALSE(derive(std::string("with\0zero", 9), kSalt, kIterationsMin, &secrets, &error));
  EXPECT_FALSE(derive("", kSalt, kIterationsMin, &secrets, &error));
  EXPECT_TRUE(derive(std::string(256, 'x'), kSalt, kIterationsMin, &secrets, &error));
}

Step first_step(std::string_view message) {
  ScramServer server([](const std::string&) { return secrets_of("correct horse"); });
  std::string reply;
  const Step step = server.step(message, &reply);
  // Whatever it was: nothing more of it once it failed.
  if (step != Step::more) {
    EXPECT_EQ(server.step("n,,n=ada,r=abc", &reply), Step::malformed);
  }
  return step;
}

TEST(Scram, WhatAClientMayBeginWith) {
  EXPECT_EQ(first_step("n,,n=ada,r=abc"), Step::more);
  EXPECT_EQ(first_step("y,,n=ada,r=abc"), Step::more);  // could bind, and sees that we cannot
  EXPECT_EQ(first_step("p=tls-unique,,n=ada,r=abc"), Step::malformed);
  EXPECT_EQ(first_step("p=tls-exporter,,n=ada,r=abc"), Step::malformed);
  for (const char* wrong : {"", "n", "n,", "n,,", "n,,n=ada", "n,,n=ada,r=", "n,,r=abc",
                            "n,,n=,r=abc", "x,,n=ada,r=abc", "n,,m=must,n=ada,r=abc",
                            "n,n=ada,r=abc", "n,,n=ada\xff,r=abc", "{\"user\":\"ada\"}"}) {
    EXPECT_NE(first_step(wrong), Step::done) << wrong;
    EXPECT_NE(first_step(wrong), Step::more) << wrong;
  }
  EXPECT_EQ(first_step("n,,n=" + std::string(kMessageMax, 'a') + ",r=abc"), Step::malformed);
  EXPECT_NE(first_step(std::string("n,,n=a\0da,r=abc", 15)), Step::more);
}

// Proofs are for one exchange: the other side's half of the nonce is another one each time.
TEST(Scram, AProofIsGoodOnce) {
  const auto begin = [](ScramServer* server) {
    std::string reply;
    EXPECT_EQ(server->step("n,,n=ada,r=abc", &reply), Step::more);
    return reply;
  };
  const auto look_up = [](const std::string&) { return secrets_of("correct horse"); };
  ScramServer first(look_up);
  ScramServer second(look_up);
  const std::string challenge = begin(&first);
  const std::string other = begin(&second);
  EXPECT_TRUE(challenge.starts_with("r=abc"));
  EXPECT_NE(challenge, other);
  const std::string nonce = challenge.substr(0, challenge.find(','));
  std::string reply;
  const std::string proof = encode_base64(std::string(32, 'p'));
  EXPECT_EQ(second.step("c=biws," + nonce + ",p=" + proof, &reply), Step::refused);
  EXPECT_EQ(first.step("c=biws," + nonce + ",p=" + proof, &reply), Step::refused);
  // The flag is bound into the proof: what was said at first cannot be said otherwise now.
  ScramServer third(look_up);
  const std::string third_nonce = begin(&third);
  EXPECT_EQ(
      third.step("c=eSws," + third_nonce.substr(0, third_nonce.find(',')) + ",p=" + proof, &reply),
      Step::refused);
}

// Whoever plays the broker gets nothing to guess at.
TEST(Scram, AClientTakesNoWeakChallenge) {
  const auto challenged = [](const std::string& salt, const std::string& iterations) {
    SaltedPassword known;
    ScramClient client("ada", "correct horse", &known);
    std::string first;
    EXPECT_EQ(client.step("", &first), Step::more);
    const std::string nonce = first.substr(first.find("r="));
    std::string proof;
    const Step step = client.step(nonce + "theirs,s=" + salt + ",i=" + iterations, &proof);
    if (step != Step::more) {
      EXPECT_EQ(proof, "");
    }
    return step;
  };
  const std::string salt = encode_base64(kSalt);
  EXPECT_EQ(challenged(salt, "4096"), Step::more);
  for (const char* iterations : {"1", "4095", "10000001", "99999999999999999999", "-4096", "x"}) {
    EXPECT_NE(challenged(salt, iterations), Step::more) << iterations;
  }
  EXPECT_NE(challenged("", "4096"), Step::more);
  EXPECT_NE(challenged("!!!", "4096"), Step::more);
  SaltedPassword known;
  ScramClient client("ada", "correct horse", &known);
  std::string first;
  EXPECT_EQ(client.step("", &first), Step::more);
  std::string proof;
  EXPECT_NE(client.step("r=notmine,s=" + salt + ",i=4096", &proof), Step::more);
}

TEST(Scram, AServerThatKnowsNothingIsFound) {
  SaltedPassword known;
  ScramClient client("ada", "correct horse", &known);
  std::string first;
  std::string proof;
  EXPECT_EQ(client.step("", &first), Step::more);
  const std::string nonce = first.substr(first.find("r="));
  EXPECT_EQ(client.step(nonce + "x,s=" + encode_base64(kSalt) + ",i=4096", &proof), Step::more);
  std::string nothing;
  EXPECT_EQ(client.step("v=" + encode_base64(std::string(32, 'v')), &nothing), Step::refused);
}

}  // namespace
}  // namespace headrace::sasl
