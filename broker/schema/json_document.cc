#include "broker/schema/json_document.h"

namespace headrace::schema {
namespace {

// Counts, and stops the parser when it is enough.
class Meter final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Meter(size_t depth_max, size_t values_max) : depth_max_(depth_max), values_left_(values_max) {}

  const std::string& why() const { return why_; }

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t&) override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    why_ = "not JSON, from byte " + std::to_string(position);
    return false;
  }

 private:
  bool value() {
    if (values_left_-- > 0) return true;
    why_ = "too many values";
    return false;
  }
  bool open() {
    if (++depth_ > depth_max_) {
      why_ = "nested deeper than " + std::to_string(depth_max_);
      return false;
    }
    return value();
  }
  bool close() {
    --depth_;
    return true;
  }

  const size_t depth_max_;
  size_t values_left_;
  size_t depth_ = 0;
  std::string why_;
};

}  // namespace

std::optional<nlohmann::json> read_json(std::string_view text, size_t depth_max, size_t values_max,
                                        std::string* why) {
  Meter meter(depth_max, values_max);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &meter)) {
    *why = meter.why();
    return std::nullopt;
  }
  auto document = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!document.is_discarded()) return document;
  *why = "not JSON";
  return std::nullopt;
}

std::string pointer_to(const std::string& path, std::string_view name) {
  std::string pointer = path + '/';
  for (const char c : name) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

}  // namespace headrace::schema
