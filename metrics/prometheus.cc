#include <prometheus/collectable.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "metrics/counters.h"
#include "metrics/registry.h"

namespace headrace::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(std::string name, std::string help, MetricType type) {
  MetricFamily made;
  made.name = std::move(name);
  made.help = std::move(help);
  made.type = type;
  return made;
}

ClientMetric value_of(MetricType type, double value) {
  ClientMetric metric;
  if (type == MetricType::Counter) metric.counter.value = value;
  if (type == MetricType::Gauge) metric.gauge.value = value;
  return metric;
}

void add_value(std::vector<MetricFamily>* to, const char* name, const char* help, MetricType type,
               double value) {
  to->push_back(family(name, help, type));
  to->back().metric.push_back(value_of(type, value));
}

void add_timing(std::vector<MetricFamily>* to, const char* name, const char* help, Timing timing) {
  const HistogramSnapshot durations = total(timing);
  MetricFamily made = family(name, help, MetricType::Histogram);
  ClientMetric metric;
  metric.histogram.sample_count = durations.count();
  metric.histogram.sample_sum = static_cast<double>(durations.sum_us()) / 1e6;
  for (int octave = 0; octave <= HistogramSnapshot::kOctaves; ++octave) {
    metric.histogram.bucket.push_back(
        {durations.count_below_octave(octave), std::ldexp(1e-6, octave)});
  }
  metric.histogram.bucket.push_back({durations.count(), std::numeric_limits<double>::infinity()});
  made.metric.push_back(std::move(metric));
  to->push_back(std::move(made));
}

class NodeMetrics : public prometheus::Collectable {
 public:
  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> all;
#define HR_COUNTER(id, name, help) \
  add_value(&all, name, help, MetricType::Counter, static_cast<double>(total(Counter::id)));
#define HR_GAUGE(id, name, help) \
  add_value(&all, name, help, MetricType::Gauge, static_cast<double>(total(Gauge::id)));
#define HR_HISTOGRAM(id, name, help) add_timing(&all, name, help, Timing::id);
#include "metrics/metrics.def"
#undef HR_COUNTER
#undef HR_GAUGE
#undef HR_HISTOGRAM
    // A name that dashboards of event buses already use; promtool would not choose it.
    add_timing(&all, "event_processing_duration_histogram", "As headrace_event_processing_seconds",
               Timing::event_processing);
    return all;
  }
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Under the names that Prometheus' own client libraries use.
class ProcessMetrics : public prometheus::Collectable {
 public:
  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> all;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    add_value(&all, "process_cpu_seconds_total", "CPU time used, user and system",
              MetricType::Counter, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    add_value(&all, "process_resident_memory_bytes", "Resident memory", MetricType::Gauge,
              resident_bytes());
    add_value(&all, "process_open_fds", "Open file descriptors", MetricType::Gauge, open_files());
    return all;
  }

 private:
  static double resident_bytes() {
    long size = 0;
    long resident = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr) return 0;
    if (std::fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
    std::fclose(file);
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
  }

  static double open_files() {
    std::error_code failure;
    double count = 0;
    for (std::filesystem::directory_iterator at("/proc/self/fd", failure), end;
         !failure && at != end; at.increment(failure)) {
      ++count;
    }
    return count;
  }
};

std::vector<MetricFamily> build_info() {
  prometheus::Registry registry;
  prometheus::BuildGauge()
      .Name("headrace_build_info")
      .Help("Constant 1, labelled with the version")
      .Register(registry)
      .Add({{"version", HEADRACE_VERSION}})
      .Set(1);
  return registry.Collect();
}

MetricFamily labelled(const LabelledFamily& from, size_t* series_left, size_t* dropped) {
  const bool counter = from.kind == LabelledFamily::Kind::counter;
  const MetricType type = counter ? MetricType::Counter : MetricType::Gauge;
  MetricFamily made = family(from.name, from.help, type);
  for (const Sample& sample : from.samples) {
    if (*series_left == 0) {
      ++*dropped;
      continue;
    }
    --*series_left;
    ClientMetric metric = value_of(type, sample.value);
    for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
    made.metric.push_back(std::move(metric));
  }
  return made;
}

}  // namespace

std::string Registry::scrape() const {
  std::vector<LabelledFamily> families;
  for (const Source& source : sources_) source(&families);
  return expose(families);
}

std::string Registry::expose(const std::vector<LabelledFamily>& families) const {
  std::vector<MetricFamily> all = build_info();
  for (MetricFamily& one : NodeMetrics().Collect()) all.push_back(std::move(one));
  for (MetricFamily& one : ProcessMetrics().Collect()) all.push_back(std::move(one));
  size_t series_left = max_series_;
  size_t dropped = 0;
  for (const LabelledFamily& one : families) {
    MetricFamily made = labelled(one, &series_left, &dropped);
    if (!made.metric.empty()) all.push_back(std::move(made));
  }
  add_value(&all, "headrace_series_dropped", "Labelled series left out because of the limit",
            MetricType::Gauge, static_cast<double>(dropped));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace headrace::metrics
