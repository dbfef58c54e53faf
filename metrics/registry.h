// What a scrape answers: every metric of metrics.def, the process's own figures, and the labelled
// families that sources add at that moment (topics, groups). prometheus-cpp stays in prometheus.cc.
//
// Made once by the composition root. Sources are added before the first scrape; scrapes come from
// one thread at a time (admin), and sources run on it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace headrace::metrics {

struct Sample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

struct LabelledFamily {
  enum class Kind : uint8_t { gauge, counter };

  std::string name;  // Prometheus style: unit last, counters end in _total
  std::string help;
  Kind kind = Kind::gauge;
  std::vector<Sample> samples;  // empty: the family is left out
};

class Registry {
 public:
  using Source = std::function<void(std::vector<LabelledFamily>* families)>;

  // At most `max_series` samples of labelled families are exposed, in the order they were given;
  // headrace_series_dropped says how many were not.
  explicit Registry(size_t max_series) : max_series_(max_series) {}

  void set_max_series(size_t max_series) { max_series_ = max_series; }
  void add_source(Source source) { sources_.push_back(std::move(source)); }

  // Text exposition format 0.0.4 (content type "text/plain; version=0.0.4; charset=utf-8").
  std::string scrape() const;
  // The same around families that were gathered elsewhere, without asking the sources.
  std::string expose(const std::vector<LabelledFamily>& families) const;

 private:
  size_t max_series_;
  std::vector<Source> sources_;
};

}  // namespace headrace::metrics
