// A new API key: its text, to be shown once, and what is kept of it. Random (OpenSSL); any thread
// that may not be the core's.
#pragma once

#include <string>

#include "broker/core/principal.h"

namespace headrace::runtime {

struct NewKey {
  std::string text;  // hr_<id>_<secret>
  core::ApiKey key;  // id and hash
};
NewKey make_key();

struct NewSalts {
  std::string salt;          // of one password
  std::string login_secret;  // for a node that has none yet
};
NewSalts make_salts();

}  // namespace headrace::runtime
