#include <arpa/inet.h>

#include <charconv>

#include "net/io.h"

namespace headrace::net {
namespace {

bool is_ipv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool fail(std::string_view text, std::string_view why, std::string* error) {
  *error = "\"" + std::string(text) + "\" is not an address: " + std::string(why);
  return false;
}

}  // namespace

std::string Endpoint::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool parse_endpoint(std::string_view text, Endpoint* endpoint, std::string* error) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(text, "write HOST:PORT, for example 127.0.0.1:7420", error);
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);

  uint16_t port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || code != std::errc() || end != digits.data() + digits.size()) {
    return fail(text, "the port is a number from 0 to 65535", error);
  }

  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  std::string name(host == "localhost" && !bracketed ? "127.0.0.1" : host);
  if (bracketed ? !is_ipv6(name) : !is_ipv4(name)) {
    return fail(text, "the host is `localhost`, a numeric IPv4 address or [IPv6]", error);
  }
  *endpoint = Endpoint{std::move(name), port};
  return true;
}

}  // namespace headrace::net
