// The parameters of a request's query, taken one by one; what nobody took is refused by finish().
// Errors name the parameter; the first one counts. Plain values; the HTTP thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/error.h"
#include "net/http/message.h"

namespace headrace::admin {

class Query {
 public:
  explicit Query(const http::Request& request) : request_(request) {}

  std::optional<std::string> text(std::string_view name);
  std::vector<std::string> texts(std::string_view name);  // may be given more than once
  int64_t time_us(std::string_view name);                 // RFC 3339; 0: not given
  uint32_t limit();                                       // of a page: 1 to 100, default 50
  std::optional<int64_t> number(std::string_view name, int64_t least, int64_t most);
  int64_t wait_us();                    // of a long poll: `wait`, a duration; default 0
  bool boolean(std::string_view name);  // `true` or `false`; false if it is not there
  // A text that `parse` understands; `example` says what that is.
  template <class Parse>
  auto form(std::string_view name, std::string_view example, const Parse& parse)
      -> decltype(parse(std::string_view())) {
    const auto given = text(name);
    if (!given) return {};
    auto value = parse(*given);
    if (!value) wrong(name, "is not " + std::string(example));
    return value;
  }
  void wrong(std::string_view name, std::string_view why);

  // invalid_request naming the parameter; none if all was fine.
  core::Error finish();

 private:
  const http::Request& request_;
  std::set<std::string, std::less<>> taken_;
  core::Error error_;
};

}  // namespace headrace::admin
