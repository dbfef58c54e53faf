// What a run of the bench tells. One thread.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "client/cli/session.h"
#include "json/json_line.h"
#include "metrics/histogram.h"

namespace headrace::bench {

// Figures and their names, in order; printed as one line of JSON or one a line for people.
class Report {
 public:
  void text(const std::string& name, const std::string& value) {
    rows_.push_back({name, value, 0, -1});
  }
  void real(const std::string& name, double value, int decimals) {
    rows_.push_back({name, "", value, decimals});
  }
  void latency(const metrics::HistogramSnapshot& latency) {
    real("p50_us", static_cast<double>(latency.quantile_us(0.5)), 0);
    real("p99_us", static_cast<double>(latency.quantile_us(0.99)), 0);
    real("p999_us", static_cast<double>(latency.quantile_us(0.999)), 0);
    real("max_us", static_cast<double>(latency.max_us()), 0);
  }
  void print(bool json) const {
    std::string out;
    if (json) {
      JsonLine line(&out);
      for (const Row& row : rows_) {
        row.decimals < 0 ? line.text(row.name, row.text)
                         : line.real(row.name, row.value, row.decimals);
      }
      line.end();
    } else {
      for (const Row& row : rows_) {
        char number[64];
        std::snprintf(number, sizeof(number), "%.*f", std::max(row.decimals, 0), row.value);
        out += row.name + ": " + (row.decimals < 0 ? row.text : std::string(number)) + "\n";
      }
    }
    cli::print(out);
  }

 private:
  struct Row {
    std::string name;
    std::string text;
    double value = 0;
    int decimals = 0;
  };
  std::vector<Row> rows_;
};

}  // namespace headrace::bench
