// SPDX-License-Identifier: Apache-2.0
#include "load/report.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

namespace tetrarch::load {
namespace {

double milliseconds(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1e6;
}

double seconds(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1e9;
}

std::string spread(const std::vector<std::chrono::nanoseconds>& times) {
  return fmt::format("mean {:.2f} ms, p50 {:.2f} ms, p90 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms",
                     mean_ms(times),
                     percentile_ms(times, 0.5),
                     percentile_ms(times, 0.9),
                     percentile_ms(times, 0.99),
                     percentile_ms(times, 1));
}

double duration_of(const Report& report) {
  return std::max(seconds(report.duration), 1e-9);
}

}  // namespace

void Report::add(const Report& other) {
  latencies.insert(latencies.end(), other.latencies.begin(), other.latencies.end());
  bytes += other.bytes;
  failures += other.failures;
  if (first_failure.empty()) {
    first_failure = other.first_failure;
  }
}

void Report::fail(const std::string& why) {
  ++failures;
  if (first_failure.empty()) {
    first_failure = why;
  }
}

std::chrono::nanoseconds cpu_time(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // Source: proc(5): after the name in parentheses, fields 14 and 15 are utime and stime in clock
  // ticks.
  const auto behind_name = text.rfind(')');
  if (pid == 0 || behind_name == std::string::npos) {
    return {};
  }
  std::istringstream fields(text.substr(behind_name + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) {
    fields >> skipped;
  }
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return std::chrono::nanoseconds((user + system) * (1'000'000'000L / ::sysconf(_SC_CLK_TCK)));
}

double per_second(const Report& report) {
  return static_cast<double>(report.latencies.size()) / duration_of(report);
}

double megabytes_per_second(const Report& report) {
  return static_cast<double>(report.bytes) / 1e6 / duration_of(report);
}

double cpu_microseconds_each(const Report& report) {
  const auto count = static_cast<double>(report.latencies.size());
  return count == 0 ? 0 : seconds(report.server_cpu) * 1e6 / count;
}

double mean_ms(const std::vector<std::chrono::nanoseconds>& times) {
  std::chrono::nanoseconds sum{};
  for (const auto time : times) {
    sum += time;
  }
  return times.empty() ? 0 : milliseconds(sum) / static_cast<double>(times.size());
}

double percentile_ms(std::vector<std::chrono::nanoseconds> times, double share) {
  if (times.empty()) {
    return 0;
  }
  const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), times.begin() + place, times.end());
  return milliseconds(times[static_cast<std::size_t>(place)]);
}

std::string format_report(const Report& report, const std::string& what) {
  auto out = fmt::format("{} {} in {:.2f} s: {:.0f}/s, {}\n",
                         report.latencies.size(),
                         what,
                         duration_of(report),
                         per_second(report),
                         spread(report.latencies));
  if (!report.last_after_acknowledgement.empty()) {
    out += fmt::format("last watcher after the acknowledgement: {}\n",
                       spread(report.last_after_acknowledgement));
  }
  if (report.bytes > 0) {
    out += fmt::format("{:.1f} MB received: {:.1f} MB/s\n",
                       static_cast<double>(report.bytes) / 1e6,
                       megabytes_per_second(report));
  }
  if (report.server_cpu.count() > 0) {
    out += fmt::format("server CPU {:.2f} s: {:.1f} us each, {:.2f} cores\n",
                       seconds(report.server_cpu),
                       cpu_microseconds_each(report),
                       seconds(report.server_cpu) / duration_of(report));
  }
  if (report.failures > 0) {
    out += fmt::format("{} FAILED; the first: {}\n", report.failures, report.first_failure);
  }
  return out;
}

}  // namespace tetrarch::load
