// SCRAM-SHA-256 (RFC 5802, RFC 7677), by GNU SASL: what a broker keeps of a password, and the two
// sides of an exchange. The broker's side never sees a password and costs a few HMACs a step; the
// slow derivation is paid by whoever logs in, and once by whoever sets a password.
//
// An exchange lives on one thread; the functions may be called on any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "metrics/sha256.h"

namespace headrace::sasl {

constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
constexpr size_t kMessageMax = 1'024;            // of one message of an exchange; longer: malformed
constexpr uint32_t kIterationsMin = 4'096;       // RFC 7677; a client takes no fewer
constexpr uint32_t kIterationsMax = 10'000'000;  // nor more: seconds of its time
constexpr size_t kPasswordMin = 8;               // bytes of UTF-8, prepared
constexpr size_t kPasswordMax = 256;

// Enough to check a proof, and useless for logging in.
struct ScramSecrets {
  std::string salt;
  uint32_t iterations = 0;
  Sha256 stored_key{};
  Sha256 server_key{};

  bool operator==(const ScramSecrets&) const = default;
};

// Of a password in UTF-8, prepared as RFC 4013 says. Slow on purpose. False, with a sentence, if it
// is too short, too long or no text.
bool derive(std::string_view password, std::string_view salt, uint32_t iterations,
            ScramSecrets* secrets, std::string* error);

enum class Step : uint8_t {
  more,       // the other side's turn
  done,       // both have proven what they know
  refused,    // a wrong password, proof or nonce
  malformed,  // not what the mechanism says; text() tells what
};

class ScramServer {
 public:
  // Asked once for the user of the exchange, who may be unknown: then it makes something up.
  using LookUp = std::function<ScramSecrets(const std::string& user)>;

  explicit ScramServer(LookUp look_up);
  ~ScramServer();
  ScramServer(const ScramServer&) = delete;
  ScramServer& operator=(const ScramServer&) = delete;

  // `reply` goes to the client with `more` and `done`.
  Step step(std::string_view message, std::string* reply);
  const std::string& text() const { return text_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string text_;
};

// What a client need not derive again for the next connection.
struct SaltedPassword {
  std::string salt;  // base64
  uint32_t iterations = 0;
  std::string bytes;
};

class ScramClient {
 public:
  // `known` is read and written by step(); it outlives the exchange.
  ScramClient(std::string user, std::string password, SaltedPassword* known);
  ~ScramClient();
  ScramClient(const ScramClient&) = delete;
  ScramClient& operator=(const ScramClient&) = delete;

  // The first message answers nothing.
  Step step(std::string_view message, std::string* reply);
  const std::string& text() const { return text_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string text_;
};

}  // namespace headrace::sasl
