// SPDX-License-Identifier: Apache-2.0
// What was measured: latencies, counts, and the CPU time of the server process.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tetrarch::load {

struct Report {
  std::vector<std::chrono::nanoseconds> latencies = {};
  /// Of a watch: per update, from its acknowledgement to the last watcher's event.
  std::vector<std::chrono::nanoseconds> last_after_acknowledgement = {};
  std::uint64_t bytes = 0;  ///< of response bodies
  int failures = 0;
  std::string first_failure = {};
  std::chrono::nanoseconds duration{};
  std::chrono::nanoseconds server_cpu{};  ///< 0: not measured

  void add(const Report& other);
  void fail(const std::string& why);
};

double per_second(const Report& report);
double megabytes_per_second(const Report& report);
double cpu_microseconds_each(const Report& report);
double mean_ms(const std::vector<std::chrono::nanoseconds>& times);
/// `share` of the times are no longer: 0.5 is the median. 0 where there are none.
double percentile_ms(std::vector<std::chrono::nanoseconds> times, double share);

/// User and system time that the process has used so far; zero where it cannot be read.
std::chrono::nanoseconds cpu_time(int pid);

/// A few lines for people; `what` names a request.
std::string format_report(const Report& report, const std::string& what);

}  // namespace tetrarch::load
