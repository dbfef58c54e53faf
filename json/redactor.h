// Hides secrets in what people are shown: values of JSON payloads by the names of their keys and by
// JSON pointers, and in text what looks like a credential. What is stored and what consumers get is
// not changed by it.
//
// Immutable; any thread. Time is linear in the size of what is looked at (RE2).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

class Redactor {
 public:
  // `keys`: a name is hidden if it ends with one of them; case, '_' and '-' do not count, so
  // `api_key` hides `apiKey` and `X-Api-Key`. `pointers`: RFC 6901, such as /user/email. nullptr
  // and a sentence in *error if one of them is none.
  static std::shared_ptr<const Redactor> make(const std::vector<std::string>& keys,
                                              const std::vector<std::string>& pointers,
                                              std::string* error);
  ~Redactor();

  bool hides(std::string_view name) const;
  // A payload as it may be shown: JSON with the values hidden, other UTF-8 as text(), anything else
  // as it is. False: nothing had to be hidden, *shown is not touched.
  bool payload(std::string_view payload, std::string* shown) const;
  // Free text, such as an error message: `password=…`, `"token": "…"`, `Bearer …`, API keys of this
  // broker, passwords in URLs.
  std::string text(std::string_view text) const;

 private:
  struct Rules;
  explicit Redactor(std::unique_ptr<const Rules> rules);
  std::unique_ptr<const Rules> rules_;
};

constexpr std::string_view kRedacted = "[redacted]";

}  // namespace headrace
