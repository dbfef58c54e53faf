// A JSON array of objects, written one by one.
#pragma once

#include <string>

#include "json/json_line.h"

namespace headrace {

class JsonRows {
 public:
  // `fill` writes the fields of one object.
  template <class Fill>
  void add(const Fill& fill) {
    if (text_.size() > 1) text_ += ',';
    JsonLine line(&text_);
    fill(&line);
    line.end();
    text_.pop_back();  // the line's end
  }

  void add_object(std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
  }

  bool empty() const { return text_.size() == 1; }
  size_t size_bytes() const { return text_.size(); }
  std::string text() const { return text_ + ']'; }

 private:
  std::string text_ = "[";
};

}  // namespace headrace
