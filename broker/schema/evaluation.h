// One evaluation of a JSON Schema over one event: the schema's patterns, which RE2 evaluates in
// linear time, and what the evaluation may still cost. The patched validator
// (broker/schema/valijson.patch) asks here.
//
// Patterns: immutable, any thread. Evaluation: one event, on the stack of a worker.
#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace headrace::schema {

// Every regular expression of a schema, compiled.
class Patterns {
 public:
  // False and *why: RE2 does not take it (it has no look-around and no back-references), it is
  // too large, or there are too many.
  bool add(const std::string& pattern, std::string* why);
  const RE2* find(const std::string& pattern) const;

 private:
  std::map<std::string, std::unique_ptr<const RE2>> compiled_;
};

class Evaluation {
 public:
  Evaluation(const Patterns& patterns, int64_t* steps) : patterns_(patterns), steps_(steps) {}

  // One subschema, while it is evaluated; false: too deep, or too much by now.
  class Level {
   public:
    explicit Level(Evaluation& evaluation) : evaluation_(evaluation), ok_(evaluation.enter()) {}
    ~Level() { --evaluation_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    explicit operator bool() const { return ok_; }

   private:
    Evaluation& evaluation_;
    const bool ok_;
  };

  bool spend(int64_t steps);
  // Whether the pattern is somewhere in the text.
  bool search(const std::string& pattern, const std::string& text);
  // What is wrong with a text of this format; nullptr: nothing, or not a format that is checked
  // (date, time and date-time are).
  const char* check_format(const std::string& format, const std::string& text);
  // It was cut off: its result means nothing.
  bool exhausted() const { return exhausted_; }

 private:
  bool enter();

  const Patterns& patterns_;
  int64_t* const steps_;
  size_t depth_ = 0;
  bool exhausted_ = false;
};

}  // namespace headrace::schema
