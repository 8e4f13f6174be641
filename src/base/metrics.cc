// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <fmt/format.h>

namespace tetrarch {
namespace {

template <class Series>
Series& find_or_make(std::map<std::string, std::unique_ptr<Series>, std::less<>>& in,
                     std::string_view labels) {
  auto found = in.find(labels);
  if (found == in.end()) {
    found = in.emplace(std::string(labels), std::make_unique<Series>()).first;
  }
  return *found->second;
}

void write_line(std::string& out,
                std::string_view name,
                std::string_view labels,
                std::string_view value) {
  out += labels.empty() ? fmt::format("{} {}\n", name, value)
                        : fmt::format("{}{{{}}} {}\n", name, labels, value);
}

}  // namespace

void Histogram::observe(double seconds) {
  std::size_t bucket = 0;
  for (double bound = 0.0001; bucket < kBuckets && seconds > bound; bound *= 2) {
    ++bucket;
  }
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(seconds * 1e9), std::memory_order_relaxed);
}

void Histogram::write(std::string& out, std::string_view name, std::string_view labels) const {
  const std::string comma = labels.empty() ? "" : std::string(labels) + ",";
  std::uint64_t total = 0;
  double bound = 0.0001;
  for (std::size_t i = 0; i <= kBuckets; ++i, bound *= 2) {
    total += buckets_[i].load(std::memory_order_relaxed);
    const std::string le = i == kBuckets ? "+Inf" : fmt::format("{:g}", bound);
    out += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, comma, le, total);
  }
  write_line(
      out,
      std::string(name) + "_sum",
      labels,
      fmt::format("{}", static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9));
  write_line(out, std::string(name) + "_count", labels, fmt::format("{}", total));
}

Metrics::Family& Metrics::family(std::string_view name, std::string_view help) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    found = families_.emplace(std::string(name), Family{}).first;
    found->second.help = help;
  }
  return found->second;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return find_or_make(family(name, help).counters, labels);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return find_or_make(family(name, help).gauges, labels);
}

Histogram& Metrics::histogram(std::string_view name,
                              std::string_view help,
                              std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return find_or_make(family(name, help).histograms, labels);
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    const std::string_view type = !family.counters.empty() ? "counter"
                                  : !family.gauges.empty() ? "gauge"
                                                           : "histogram";
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, type);
    for (const auto& [labels, series] : family.counters) {
      write_line(out, name, labels, fmt::format("{}", series->value()));
    }
    for (const auto& [labels, series] : family.gauges) {
      write_line(out, name, labels, fmt::format("{}", series->value()));
    }
    for (const auto& [labels, series] : family.histograms) {
      series->write(out, name, labels);
    }
  }
  return out;
}

}  // namespace tetrarch
