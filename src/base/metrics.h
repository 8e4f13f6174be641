// SPDX-License-Identifier: Apache-2.0
// Counters, gauges and histograms, and their Prometheus text form. Owned by a Metrics that app
// makes and hands down; a series, once made, lives as long as its Metrics and is updated without
// locks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace tetrarch {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }

  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }

  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }

  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Durations in seconds; buckets double from 0.1 ms to 52 s.
class Histogram {
 public:
  static constexpr std::size_t kBuckets = 20;
  void observe(double seconds);
  void write(std::string& out, std::string_view name, std::string_view labels) const;

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

class Metrics {
 public:
  /// `labels` is the inside of the braces (`verb="GET",code="200"`) or empty. Asking twice gives
  /// the same series.
  Counter& counter(std::string_view name, std::string_view help, std::string_view labels = "");
  Gauge& gauge(std::string_view name, std::string_view help, std::string_view labels = "");
  Histogram& histogram(std::string_view name, std::string_view help, std::string_view labels = "");
  /// Everything in the Prometheus text format, version 0.0.4.
  std::string text() const;

 private:
  struct Family {
    std::string help;
    std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters;
    std::map<std::string, std::unique_ptr<Gauge>, std::less<>> gauges;
    std::map<std::string, std::unique_ptr<Histogram>, std::less<>> histograms;
  };

  Family& family(std::string_view name, std::string_view help);

  mutable std::mutex mutex_;  // guards the maps, not the series
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace tetrarch
