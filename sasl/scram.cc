#include "sasl/scram.h"

#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <charconv>
#include <cstring>
#include <utility>

#include "metrics/base64.h"
#include "metrics/check.h"

namespace headrace::sasl {

// Whoever a session's properties come from.
struct Answers {
  virtual ~Answers() = default;
  virtual int answer(Gsasl_session* session, Gsasl_property property) = 0;
};

namespace {

std::string_view view_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

int set(Gsasl_session* session, Gsasl_property property, const std::string& text) {
  return gsasl_property_set_raw(session, property, text.data(), text.size());
}

std::string salt_password(std::string_view prepared, std::string_view salt, uint32_t iterations) {
  std::string salted(sizeof(Sha256), '\0');
  HR_CHECK(PKCS5_PBKDF2_HMAC(prepared.data(), static_cast<int>(prepared.size()),
                             reinterpret_cast<const unsigned char*>(salt.data()),
                             static_cast<int>(salt.size()), static_cast<int>(iterations),
                             EVP_sha256(), static_cast<int>(salted.size()),
                             reinterpret_cast<unsigned char*>(salted.data())) == 1);
  return salted;
}

// As RFC 4013 has it; empty if it cannot be prepared.
std::string prepare(std::string_view password) {
  if (password.size() > kPasswordMax || password.find('\0') != std::string_view::npos) return {};
  char* out = nullptr;
  int stringprep = 0;
  if (gsasl_saslprep(std::string(password).c_str(), static_cast<Gsasl_saslprep_flags>(0), &out,
                     &stringprep) != GSASL_OK) {
    return {};
  }
  std::string prepared = out;
  OPENSSL_cleanse(out, prepared.size());
  gsasl_free(out);
  return prepared;
}

int on_property(Gsasl*, Gsasl_session* session, Gsasl_property property) {
  if (session == nullptr) return GSASL_NO_CALLBACK;
  return static_cast<Answers*>(gsasl_session_hook_get(session))->answer(session, property);
}

// Read only once it is made: sessions of all threads share it.
Gsasl* library() {
  static Gsasl* const made = [] {
    Gsasl* context = nullptr;
    HR_CHECK(gsasl_init(&context) == GSASL_OK);
    gsasl_callback_set(context, on_property);
    return context;
  }();
  return made;
}

Step run(Gsasl_session* session, std::string_view message, std::string* reply, std::string* text) {
  if (message.size() > kMessageMax) {
    *text = "a message has at most " + std::to_string(kMessageMax) + " bytes";
    return Step::malformed;
  }
  char* out = nullptr;
  size_t size = 0;
  const int code = gsasl_step(session, message.data(), message.size(), &out, &size);
  if (code == GSASL_OK || code == GSASL_NEEDS_MORE) {
    reply->assign(out == nullptr ? "" : out, out == nullptr ? 0 : size);
    gsasl_free(out);
    return code == GSASL_OK ? Step::done : Step::more;
  }
  if (code == GSASL_AUTHENTICATION_ERROR || code == GSASL_NO_PASSWORD) return Step::refused;
  *text = gsasl_strerror(code);
  return Step::malformed;
}

}  // namespace

bool derive(std::string_view password, std::string_view salt, uint32_t iterations,
            ScramSecrets* secrets, std::string* error) {
  HR_CHECK(iterations >= kIterationsMin && iterations <= kIterationsMax);
  std::string prepared = prepare(password);
  if (prepared.size() < kPasswordMin || prepared.size() > kPasswordMax) {
    *error = std::to_string(kPasswordMin) + " to " + std::to_string(kPasswordMax) +
             " bytes of UTF-8 without control characters";
    return false;
  }
  std::string salted = salt_password(prepared, salt, iterations);
  char client_key[sizeof(Sha256)];
  const int code =
      gsasl_scram_secrets_from_salted_password(GSASL_HASH_SHA256, salted.data(), client_key,
                                               reinterpret_cast<char*>(secrets->server_key.data()),
                                               reinterpret_cast<char*>(secrets->stored_key.data()));
  HR_CHECK(code == GSASL_OK);
  secrets->salt = salt;
  secrets->iterations = iterations;
  OPENSSL_cleanse(prepared.data(), prepared.size());
  OPENSSL_cleanse(salted.data(), salted.size());
  OPENSSL_cleanse(client_key, sizeof(client_key));
  return true;
}

// ---- the broker's side

struct ScramServer::Impl final : Answers {
  int answer(Gsasl_session* of, Gsasl_property property) override {
    switch (property) {
      case GSASL_SCRAM_ITER:
      case GSASL_SCRAM_SALT: {
        if (look_up) {
          const char* user = gsasl_property_fast(of, GSASL_AUTHID);
          secrets = look_up(user == nullptr ? "" : user);
          look_up = nullptr;
        }
        return set(of, property,
                   property == GSASL_SCRAM_ITER ? std::to_string(secrets.iterations)
                                                : encode_base64(secrets.salt));
      }
      case GSASL_SCRAM_SERVERKEY:
        return set(of, property, encode_base64(view_of(secrets.server_key)));
      case GSASL_SCRAM_STOREDKEY:
        return set(of, property, encode_base64(view_of(secrets.stored_key)));
      default:
        return GSASL_NO_CALLBACK;  // no channel is bound: only PLUS mechanisms do, and none is here
    }
  }

  Gsasl_session* session = nullptr;
  LookUp look_up;
  ScramSecrets secrets;
  bool over = false;
  bool first = true;
};

ScramServer::ScramServer(LookUp look_up) : impl_(std::make_unique<Impl>()) {
  impl_->look_up = std::move(look_up);
  HR_CHECK(gsasl_server_start(library(), kScramSha256.data(), &impl_->session) == GSASL_OK);
  gsasl_session_hook_set(impl_->session, static_cast<Answers*>(impl_.get()));
}

ScramServer::~ScramServer() {
  gsasl_finish(impl_->session);
}

Step ScramServer::step(std::string_view message, std::string* reply) {
  if (impl_->over) {
    text_ = "the exchange is over";
    return Step::malformed;
  }
  // A client that binds to a channel wants more than this mechanism is; one that could ('y') and
  // sees that the broker cannot is right.
  if (std::exchange(impl_->first, false) && (message.empty() || message[0] == 'p')) {
    impl_->over = true;
    text_ = message.empty() ? "an empty message" : "channels are not bound to by SCRAM-SHA-256";
    return Step::malformed;
  }
  Step step = run(impl_->session, message, reply, &text_);
  impl_->over = step != Step::more;
  if (step == Step::more && impl_->look_up) {
    impl_->over = true;
    text_ = "nobody was named";
    return Step::malformed;
  }
  if (step != Step::done) return step;
  const char* acts_as = gsasl_property_fast(impl_->session, GSASL_AUTHZID);
  const char* user = gsasl_property_fast(impl_->session, GSASL_AUTHID);
  if (acts_as == nullptr || *acts_as == '\0') return step;
  if (user != nullptr && std::strcmp(acts_as, user) == 0) return step;
  text_ = "nobody acts as somebody else (authzid)";
  return Step::malformed;
}

// ---- the client's

struct ScramClient::Impl final : Answers {
  int answer(Gsasl_session* of, Gsasl_property property) override {
    if (property == GSASL_AUTHID) return set(of, property, user);
    if (property != GSASL_SCRAM_SALTED_PASSWORD) return GSASL_NO_CALLBACK;
    const char* salt = gsasl_property_fast(of, GSASL_SCRAM_SALT);
    const char* count = gsasl_property_fast(of, GSASL_SCRAM_ITER);
    if (salt == nullptr || count == nullptr) return GSASL_NO_CALLBACK;
    uint32_t iterations = 0;
    const auto parsed = std::from_chars(count, count + std::strlen(count), iterations);
    const auto decoded = decode_base64(salt);
    // Fewer would make the proof worth guessing at for who is not the broker.
    weak = parsed.ec != std::errc() || iterations < kIterationsMin || iterations > kIterationsMax ||
           !decoded || decoded->empty();
    if (weak) return GSASL_AUTHENTICATION_ERROR;
    if (known->salt != salt || known->iterations != iterations) {
      *known = {salt, iterations, salt_password(password, *decoded, iterations)};
    }
    return set(of, property, encode_base16(known->bytes));
  }

  Gsasl_session* session = nullptr;
  std::string user;
  std::string password;  // prepared
  SaltedPassword* known = nullptr;
  bool weak = false;
};

ScramClient::ScramClient(std::string user, std::string password, SaltedPassword* known)
    : impl_(std::make_unique<Impl>()) {
  impl_->user = std::move(user);
  impl_->password = prepare(password);
  impl_->known = known;
  HR_CHECK(gsasl_client_start(library(), kScramSha256.data(), &impl_->session) == GSASL_OK);
  gsasl_session_hook_set(impl_->session, static_cast<Answers*>(impl_.get()));
}

ScramClient::~ScramClient() {
  OPENSSL_cleanse(impl_->password.data(), impl_->password.size());
  gsasl_finish(impl_->session);
}

Step ScramClient::step(std::string_view message, std::string* reply) {
  if (impl_->password.empty() || impl_->user.empty()) {
    text_ = impl_->user.empty() ? "a user is needed" : "a password is needed, in UTF-8";
    return Step::malformed;
  }
  const Step step = run(impl_->session, message, reply, &text_);
  if (!impl_->weak) return step;
  text_ = "the other side asks for a derivation that is not safe, or for too much";
  return Step::malformed;
}

}  // namespace headrace::sasl
